"""The command `receive`: one receiver, until it is stopped."""

import os
from functools import partial
from pathlib import Path

import click

from ...receiver import process
from ...receiver.needs import settings_of
from ...settings.naming import clearer, names_of
from ...telemetry import metrics as telemetry
from ..check.offline import of_a_receiver
from ..console import config_option, examples, run_async
from ..terminal import has_colours


@click.command("receive", epilog=examples("receive --config /etc/receiver.toml", "receive 2>receive.log"))
@config_option
def command(config: Path) -> int:
    """Answer Sesamy's webhook: put its events on the topic, until stopped."""
    telemetry.configure(colours=has_colours())
    settings = settings_of(config, os.environ)
    advised = clearer(of_a_receiver(config, settings, os.environ), names_of(settings))
    return run_async(partial(process.run, advised=advised), settings)

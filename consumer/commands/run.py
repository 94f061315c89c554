"""The command `run`: one pod of the group, until it is stopped."""

import os
from pathlib import Path
from typing import Final

import click

from ..pod import process
from ..settings.naming import clearer, names_of
from ..telemetry import metrics as telemetry
from ..telemetry.logs import log
from .check.offline import advice
from .console import config_option, examples, run_async, settings_of
from .terminal import has_colours

_log: Final = log(__name__)


@click.command("run", epilog=examples("run --config /etc/consumer.toml", "run 2>run.log"))
@config_option
def command(config: Path) -> int:
    """Consume, debounce and resync until stopped."""
    telemetry.configure(colours=has_colours())
    settings = settings_of(config)
    for one in clearer(advice(config, settings, os.environ), names_of(settings)):
        _log.warning("settings: to think about", field=one.shown or one.path, cause=f"{one.what}; {one.cure}")
    return run_async(process.run, settings)

"""The command `run`: one pod of the group, until it is stopped."""

from pathlib import Path

import click

from ..pod import process
from ..telemetry import metrics as telemetry
from .console import config_option, examples, run_async, settings_of
from .terminal import has_colours


@click.command("run", epilog=examples("run --config /etc/consumer.toml", "run 2>run.log"))
@config_option
def command(config: Path) -> int:
    """Consume, debounce and resync until stopped."""
    telemetry.configure(colours=has_colours())
    return run_async(process.run, settings_of(config))

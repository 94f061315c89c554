"""The command `run`: one pod of the group, until it is stopped."""

import os
from functools import partial
from pathlib import Path
from typing import Final

import click

from ..pod import process
from ..settings.naming import clearer, names_of
from ..telemetry import metrics as telemetry
from .check.offline import advice
from .console import FiniteRange, config_option, examples, run_async, settings_of
from .terminal import has_colours

_DRY_SHARE: Final = 0.25


@click.command("run", epilog=examples("run --config /etc/consumer.toml", "run 2>run.log", "run --dry-run --rate-share 0.1"))
@config_option
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be written, in a group of its own (GROUP-dry-run).")
@click.option(
    "--rate-share",
    type=FiniteRange(0, 1, min_open=True),
    default=None,
    help="With --dry-run: the part of every limit to use beside the real pods; a 429 halves it.  [default: 0.25]",
)
def command(config: Path, *, dry_run: bool, rate_share: float | None) -> int:
    """Consume, debounce and resync until stopped."""
    if rate_share is not None and not dry_run:
        raise click.UsageError("--rate-share goes with --dry-run: the pods of a group share the whole of every limit")
    telemetry.configure(colours=has_colours())
    settings = settings_of(config)
    advised = clearer(advice(config, settings, os.environ), names_of(settings))
    share = (_DRY_SHARE if rate_share is None else rate_share) if dry_run else 1.0
    return run_async(partial(process.run, advised=advised, dry_run=dry_run, rate_share=share), settings)

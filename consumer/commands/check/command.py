"""The command `check`: its options, and how findings are told."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from ...kafka.rights import Purpose
from ...pod.process import dry
from ...settings.findings import Finding
from ...settings.naming import clearer, names_of
from ..console import as_json, config_option, examples, output_option, quiet_logs, run_async
from ..drawing import show, table, word
from .offline import exit_status, offline
from .online import online

_PURPOSES: Final = click.Choice(["run", "replay", "dead-letters", "dry-run", "reconcile", "receive"])


@click.command("check", epilog=examples("check", "check --online --output json"))
@config_option
@output_option
@click.option("--online", "asks", is_flag=True, help="Ask Kafka, Sesamy and Make.as, too; nothing is written.")
@click.option("--for", "purpose", type=_PURPOSES, default="run", show_default=True, help="Whose rights to ask for.")
def command(config: Path, output: str, purpose: Purpose, *, asks: bool) -> int:
    """Say what is wrong with the settings, and (--online) with all that they name."""
    quiet_logs(logging.CRITICAL)
    settings, findings = offline(config, os.environ, purpose)
    if asks and settings is not None:
        findings += clearer(run_async(online, dry(settings) if purpose == "dry-run" else settings, purpose), names_of(settings))
    if output == "json":
        as_json(findings)
    else:
        _tell(findings)
    return exit_status(findings)


def _tell(findings: Sequence[Finding]) -> None:
    show(table(("", "", ""), _rows(findings)))
    errors, warnings = (sum(one.level == level for one in findings) for level in ("error", "warning"))
    click.echo(f"{errors} to correct, {warnings} to think about", err=True)


def _rows(findings: Sequence[Finding]) -> Iterator[tuple[Text, ...]]:
    for one in findings:
        yield word(one.level), word(one.place), word(one.what)
        if one.cure:
            yield word(""), word(""), word(f"cure: {one.cure}")

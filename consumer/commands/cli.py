"""Commands, options and exit statuses; no logic. What a command needs is imported when it runs, so that `--help` is quick."""

import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .. import __version__
from ..core.errors import Exit, Fatal
from .console import (
    as_json,
    check_users,
    config_option,
    examples,
    has_colours,
    output_option,
    printable,
    quiet_logs,
    run_async,
    settings_of,
    vendor_settings,
)
from .operate import diff, explain, replay
from .operate_letters import dead_letters
from .operate_status import status

if TYPE_CHECKING:
    from ..settings.rules import Finding
    from .batch import Synced

_NAME: Final = "sesamy-makeas"
_PURPOSES: Final = click.Choice(["run", "replay", "dead-letters"])


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted or context.resilient_parsing:
        return
    click.echo(f"{_NAME} {__version__}")
    context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version and exit.")
def cli() -> None:
    """
    Keep Make.as lists in step with Sesamy.

    \b
    Exit status:
      0  fine, or a clean drain        69  Kafka or an upstream is unavailable
      1  some users failed             70  our bug
     64  usage, or an unknown vendor   75  a run was cut off
                                       77  no permission
                                       78  settings
    """  # noqa: D301 - \b is click's
    _leave_no_core()
    if not has_colours():
        click.get_current_context().color = False


@cli.command(epilog=examples("run --config /etc/consumer.toml", "run 2>run.log"))
@config_option
def run(config: Path) -> int:
    """Consume, debounce and resync until stopped."""
    from ..telemetry import metrics as telemetry  # noqa: PLC0415

    telemetry.configure(colours=has_colours())
    settings = settings_of(config)

    from ..pod import process as pod  # noqa: PLC0415

    return run_async(pod.run, settings)


@cli.command(epilog=examples('sync vendor_123 "auth0|5f7c"', "sync --output json vendor_123 user-1 user-2"))
@config_option
@output_option
@click.argument("vendor")
@click.argument("users", nargs=-1, required=True, metavar="USER...")
def sync(config: Path, output: str, vendor: str, users: tuple[str, ...]) -> int:
    """Resync these users of VENDOR now."""
    quiet_logs()
    check_users(users)
    settings = vendor_settings(config, vendor)

    from . import sync as work  # noqa: PLC0415

    ended: list[Synced] = []
    report = ended.append if output == "json" else _tell_synced
    say = partial(click.echo, err=True)
    status = run_async(partial(work.sync, settings, vendor, users, report=report, notice=say))
    if output == "json":
        as_json(ended)
    return status


@cli.command(epilog=examples("check", "check --online --output json"))
@config_option
@output_option
@click.option("--online", is_flag=True, help="Ask Kafka, Sesamy and Make.as, too; nothing is written.")
@click.option("--for", "purpose", type=_PURPOSES, default="run", show_default=True, help="Whose rights to ask for.")
def check(config: Path, output: str, purpose: str, *, online: bool) -> int:
    """Say what is wrong with the settings, and (--online) with all that they name."""
    import logging  # noqa: PLC0415

    from ..telemetry import metrics as telemetry  # noqa: PLC0415
    from . import check as work  # noqa: PLC0415

    telemetry.configure(level=logging.CRITICAL, colours=has_colours())
    settings, findings = work.offline(config, os.environ)
    if online and settings is not None:
        from . import online as asking  # noqa: PLC0415

        findings += run_async(asking.online, settings, purpose)
    if output == "json":
        as_json(findings)
    else:
        _tell_findings(findings)
    return work.exit_status(findings)


@cli.command(epilog=examples("local --chaos", "local --broker jvm --serve"))
@output_option
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Take the consumer's numbers from here.")
@click.option(
    "--broker",
    default="auto",
    show_default=True,
    metavar="auto|testcontainers|jvm|memory|HOST:PORT",
    help="The Kafka to use; auto takes the best there is.",
)
@click.option("--serve", is_flag=True, help="Leave it running, with the status page.")
@click.option("--chaos", is_flag=True, help="Add failures: 429s, a slow account, a wrong key, poison, a kill.")
def local(config: Path | None, output: str, broker: str, *, serve: bool, chaos: bool) -> int:
    """Run the whole thing on this machine, and check the end state."""
    from ..sandbox import local as work  # noqa: PLC0415

    return work.main(work.Options(broker=broker, serve=serve, chaos=chaos, output=output, config=config))


cli.add_command(diff)
cli.add_command(explain)
cli.add_command(replay)
cli.add_command(dead_letters)
cli.add_command(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    status = 0
    try:
        status = _invoke(argv)
    except* Fatal as group:
        status = max(_tell_fatal(error) for error in _leaves(group))
    except* Exception as group:  # noqa: BLE001 - whatever else it is, it is ours
        bug = _tell_bug(_leaves(group))
        status = status or bug
    return status


def _invoke(argv: Sequence[str] | None) -> int:
    try:
        result = cli.main(args=argv, prog_name=_NAME, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except click.Abort:
        click.echo(f"{_NAME}: interrupted", err=True)
        return Exit.CUT_OFF
    return result if isinstance(result, int) else 0


def _leave_no_core() -> None:
    """Keep secrets in memory from becoming secrets on a disk."""
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


# ---- What is said ----


def _tell_synced(one: "Synced") -> None:
    failed = ", ".join(f"{account}: {code}" for account, code in one.failed.items())
    reason = f": {one.reason}" if one.reason else ""
    click.echo(f"{printable(one.user)}  {one.outcome}{reason}" + (f"  ({failed})" if failed else ""))


def _tell_findings(findings: Sequence["Finding"]) -> None:
    width = max((len(one.path) for one in findings), default=0)
    for one in findings:
        click.echo(f"{one.level:<8} {printable(one.path):<{width}}  {one.what}")
        if one.cure:
            click.echo(f"{'':<8} {'':<{width}}  cure: {one.cure}")
    errors, warnings = (sum(one.level == level for one in findings) for level in ("error", "warning"))
    click.echo(f"{errors} to correct, {warnings} to think about", err=True)


def _tell_fatal(error: BaseException) -> int:
    assert isinstance(error, Fatal)
    for line in str(error).splitlines():
        _complain(line, code=error.code, status=error.status)
    return error.status


def _tell_bug(errors: Iterable[BaseException]) -> int:
    from ..telemetry.logs import frames  # noqa: PLC0415

    for error in errors:
        # No text of the exception: it may quote what must not be seen.
        _complain(f"unexpected {type(error).__name__}: this is our bug", where=frames(error), status=Exit.BUG)
    return Exit.BUG


def _complain(line: str, *, status: int, **fields: str) -> None:
    """Write one line to stderr, as a log line where logs are lines of JSON."""
    logs = sys.modules.get("consumer.telemetry.logs")
    if logs is not None and logs.is_json():
        logs.log(__name__).critical(line, status=int(status), **fields)
        return
    where = f" ({fields['where']})" if fields.get("where") else ""
    click.echo(f"{_NAME}: {line}{where}", err=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

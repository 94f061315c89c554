"""The table of commands, and how the process ends. A command's module is imported when it is called, so that `--help` is quick."""

import resource
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Final, NamedTuple

import click

from .. import __version__
from ..core.errors import Exit, Fatal
from .shell import stdout
from .terminal import has_colours

_NAME: Final = "sesamy-makeas"


class Row(NamedTuple):
    """A command: the module that holds it as `command`, and its help, which a test holds against the command's own."""

    module: str
    help: str


COMMANDS: Final = {
    "check": Row("check.command", "Say what is wrong with the settings, and (--online) with all that they name."),
    "dead-letters": Row("dead_letters.command", "Work with what was parked."),
    "diff": Row("diff", "Show what a resync of these users of VENDOR would change; exit 1 where something would. Nothing is written."),
    "explain": Row("explain", "Say why USER of VENDOR gets no newsletter, asked of the running pods."),
    "local": Row("local", "Run the whole thing on this machine, and check the end state."),
    "receive": Row("receive.command", "Answer Sesamy's webhook: put its events on the topic, until stopped."),
    "reconcile": Row(
        "reconcile.command",
        "Look at every reader at Sesamy and every contact at Make.as, and resync those that differ; exit 1 where differences remain.",
    ),
    "replay": Row("replay.command", "Resync every user seen in a range of the topic, beside the running pods."),
    "run": Row("run", "Consume, debounce and resync until stopped."),
    "status": Row("status.command", "Show what the pods say of themselves: lists, what waits and why, gates, partitions, failures."),
    "sync": Row("sync", "Resync these users of VENDOR now."),
    "verify": Row(
        "verify.command",
        "Say which way the APIs of Sesamy and Make.as are where no document says it, and which settings to write.",
    ),
}


class Lazy(click.Group):
    """
    A group of stand-ins with names and help alone: the command itself is imported when it is called.

    So help, completion and "Did you mean" stay click's own, and import nothing.
    Source: "Lazily loading subcommands" in click's documentation, which overrides `get_command`, and so imports all for the help.
    """

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called."""
        name, found, rest = super().resolve_command(ctx, args)
        if name is not None and name in COMMANDS:
            found = command_of(name)
        return name, found, rest


def command_of(name: str) -> click.Command:
    """Import a command of the table."""
    found = import_module(f".{COMMANDS[name].module}", __package__).command
    assert isinstance(found, click.Command)
    return found


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted or context.resilient_parsing:
        return
    click.echo(f"{_NAME} {__version__}")
    context.exit()


@click.group(
    cls=Lazy,
    commands=[click.Command(name, help=row.help) for name, row in COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
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
    context = click.get_current_context()
    if not has_colours():
        context.color = False
    if context.invoked_subcommand != "status":  # Which may draw for as long as somebody looks.
        stdout.go_on_without_reader()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    stdout.guard()
    status = 0
    try:
        status = _invoke(argv)
    except* (stdout.NoReader, stdout.Unwritable) as group:
        status = max(_tell_unwritten(error) for error in _leaves(group))
    except* Fatal as group:
        status = max(_tell_fatal(error) for error in _leaves(group))
    except* Exception as group:  # noqa: BLE001 - whatever else it is, it is ours
        bug = _tell_bug(_leaves(group))
        status = status or bug
    left = stdout.flushed()
    return status if left is None else max(status, _tell_unwritten(left))


def _invoke(argv: Sequence[str] | None) -> int:
    status, result = 0, None
    try:
        result = cli.main(args=argv, prog_name=_NAME, standalone_mode=False)
    except* click.ClickException as group:  # A question is asked in the midst of other work, and so in its groups.
        for error in _leaves(group):
            assert isinstance(error, click.ClickException)
            error.show()
        status = Exit.USAGE
    except* click.Abort:
        click.echo(f"{_NAME}: interrupted", err=True)
        status = Exit.CUT_OFF
    return result if isinstance(result, int) else status


def _leave_no_core() -> None:
    """Keep secrets in memory from becoming secrets on a disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


# ---- What is said ----


def _tell_fatal(error: BaseException) -> int:
    assert isinstance(error, Fatal)
    for line in str(error).splitlines():
        _complain(line, code=error.code, status=error.status)
    return error.status


def _tell_unwritten(error: BaseException) -> int:
    assert isinstance(error, OSError)
    status, line = stdout.given_up(error)
    if line:
        _complain(line, status=status)
    return status


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

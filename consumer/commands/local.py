"""The command `local`: broker, stand-ins, traffic and consumer on this machine."""

from pathlib import Path

import click

from ..sandbox import local
from ..sandbox.session import Options
from .console import examples, output_option


@click.command("local", epilog=examples("local --chaos", "local --reconcile", "local --broker jvm --serve"))
@output_option
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Take the consumer's numbers from here.")
@click.option(
    "--broker",
    default="auto",
    show_default=True,
    metavar="auto|testcontainers|jvm|memory|HOST:PORT",
    help="The Kafka to use; auto takes the best there is.",
)
@click.option("--serve", is_flag=True, help="Leave it running, with the status page and /sandbox.")
@click.option("--chaos", is_flag=True, help="Add failures: 429s, a slow account, a wrong key, poison, kills.")
@click.option("--reconcile", is_flag=True, help="Then let lists be edited by hand, and `reconcile` find and repair it.")
def command(config: Path | None, output: str, broker: str, *, serve: bool, chaos: bool, reconcile: bool) -> int:
    """
    Run the whole thing on this machine, and check the end state.

    With --serve it prints commands to try in another terminal, and serves /sandbox on a port of its own, to this machine alone: a page
    with buttons that let an upstream answer 429, 401, 500 or slowly, a list refuse, a record be broken, consumer
    and receiver be killed and (on the JVM) the broker go away; heal them there. Ctrl-C heals them all, and lets the consumer drain.
    """
    return local.main(Options(broker=broker, serve=serve, chaos=chaos, reconcile=reconcile, output=output, config=config))

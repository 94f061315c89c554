"""The places of open letters, for a shell that completes `P:N`: asked of the topic, for two seconds at most."""

import logging
from typing import Final

import anyio
import click
from click.shell_completion import CompletionItem

from ...core.letters.history import Entry
from ...settings.model import KafkaSettings
from ...telemetry import loop
from ..shell.completion import settings_of
from . import topic

_LIMIT_S: Final = 2.0
_MOST: Final = 50


def complete_places(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the places of the newest open letters that begin so; whatever goes wrong, or takes longer: none."""
    logging.disable()
    try:
        settings = settings_of(context)
        found = loop.run(_open_letters, settings.kafka)
    except BaseException:  # noqa: BLE001 - a line that is being typed is no place for an error, of whatever kind
        return []
    return [CompletionItem(str(one.at), help=one.code) for one in found if str(one.at).startswith(begun)][:_MOST]


async def _open_letters(settings: KafkaSettings) -> list[Entry]:
    letters = topic.Letters(settings)
    with anyio.fail_after(_LIMIT_S):
        await letters.read()
    return [one for one in reversed(letters.history.entries()) if one.is_open]

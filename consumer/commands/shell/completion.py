"""What a shell completes from the settings: vendors and accounts; whatever goes wrong there, it completes nothing and says nothing."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click

from ...settings.load import load
from ...settings.model import Settings

_Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _from_settings(names: Callable[[Settings], Iterable[str]]) -> _Complete:
    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        try:
            settings = load(Path(context.params.get("config") or "consumer.toml"), os.environ)
        except Exception:  # noqa: BLE001 - a line that is being typed is no place for an error
            return []
        return [name for name in dict.fromkeys(names(settings)) if name.startswith(begun)]

    return complete


VENDORS: Final = _from_settings(lambda settings: [one.id for one in settings.vendors])
"""For `shell_complete` of what names a vendor."""
ACCOUNTS: Final = _from_settings(lambda settings: [one.user_id for one in settings.accounts])
"""The same of what names an account by Make.as' user id."""

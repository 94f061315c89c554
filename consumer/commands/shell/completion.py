"""The words that a shell completes from the settings: vendors, accounts and lists; where anything goes wrong, there are none."""

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click

from ...settings.load import load
from ...settings.model import Settings

_Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def settings_of(context: click.Context) -> Settings:
    """
    Load the settings that a begun line names.

    Raises:
        OSError: they stand in no regular file: a pipe would keep the shell waiting.
        SettingsError: anything is wrong with them.
    """
    path = Path(context.params.get("config") or "consumer.toml")
    if not path.is_file():
        raise OSError(errno.EINVAL, "no regular file")
    return load(path, os.environ)


def _from_settings(names: Callable[[Settings], Iterable[str]]) -> _Complete:
    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        try:
            settings = settings_of(context)
        except Exception:  # noqa: BLE001 - a line that is being typed is no place for an error
            return []
        return [name for name in dict.fromkeys(names(settings)) if name.startswith(begun)]

    return complete


VENDORS: Final = _from_settings(lambda settings: [one.id for one in settings.vendors])
"""For `shell_complete` of what names a vendor."""
ACCOUNTS: Final = _from_settings(lambda settings: [one.user_id for one in settings.accounts])
"""The same of what names an account by Make.as' user id."""
LISTS: Final = _from_settings(lambda settings: [one for account in settings.accounts for one in account.lists])
"""The same of what names a list by its id."""

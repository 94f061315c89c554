"""The settings as a receiver needs them: no key of Sesamy or Make.as, and a secret of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..settings.findings import Finding
from ..settings.load import SettingsError, load
from ..settings.model import Settings
from ..settings.naming import clearer, names_of

SECRETS: Final = ("kafka.", "receive.")
"""How the paths of the secrets begin that a receiver reads; it faces the internet, so it is to have no others."""
_CURE: Final = "set it to 32 random characters (openssl rand -hex 16), and the same in the endpoint's static header at Sesamy"


def settings_of(path: Path, environ: Mapping[str, str]) -> Settings:
    """
    Return the settings of the file, with the environment over it.

    Raises:
        SettingsError: anything is wrong; all of it at once.
    """
    try:
        settings = load(path, environ, only=SECRETS)
    except SettingsError as error:
        is_said = any("receive.secret" in f"{one.path} {one.cure}" for one in error.findings)
        if error.partial is None or error.partial.receive.secret is not None or is_said:
            raise
        raise SettingsError([*error.findings, *_missing(error.partial)], partial=error.partial, broken=error.broken) from None
    if settings.receive.secret is None:
        raise SettingsError(_missing(settings), partial=settings)
    return settings


def _missing(settings: Settings) -> list[Finding]:
    return clearer([Finding(path="receive.secret", what="missing", cure=_CURE)], names_of(settings))

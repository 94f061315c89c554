"""A secret and where it comes from; its text shows nowhere but in what `read` returns."""

import os
import stat
from pathlib import Path
from typing import Final, Literal, NoReturn

from .findings import reason

_MASK: Final = "***"
_MAX_BYTES: Final = 65_536


class SecretError(Exception):
    """A secret that is not there; the text says why and never quotes it, `cure` what to do."""

    def __init__(self, what: str, *, cure: str = "put the secret there") -> None:
        """Take what is wrong, and what to do."""
        super().__init__(what)
        self.cure = cure


class Secret:
    """
    A secret, named by its source.

    It promises: `repr`, `str`, `format`, JSON encoders' `default` and pickles give `***`; two are equal where the
    settings write the same thing (the same text, variable or file), so a key that changes in its file stays the same.
    """

    __slots__ = ("_expired", "_kind", "_seen", "_source", "_text")

    def __init__(self, kind: Literal["text", "env", "file"], source: str, *, text: str = "") -> None:
        """
        Take a secret; nothing is read yet.

        Args:
            kind: where it comes from.
            source: the variable's name or the file's path; the secret itself for "text".
            text: the variable's value for "env"; a process's environment does not change, so it is read once.
        """
        self._kind, self._source = kind, source
        self._text = (source if kind == "text" else text).strip()
        # What the file looked like when it was read last; None: never read.
        self._seen: tuple[int, int, int] | None = None
        self._expired = False

    @property
    def source(self) -> str:
        """Say where it comes from, without the secret: `text`, `env NAME` or `file PATH`."""
        return self._kind if self._kind == "text" else f"{self._kind} {self._source}"

    @property
    def path(self) -> Path | None:
        """Return the file it comes from; None: no file."""
        return Path(self._source) if self._kind == "file" else None

    def read(self) -> str:
        """
        Return the secret; a file is read again when it changed, and once after `expire`.

        A file that can't be read any more leaves the last text in force: secrets are swapped under us.

        Raises:
            SecretError: there was never a text.
        """
        if self._kind == "file":
            try:
                self._look()
            except SecretError:
                if not self._text:
                    raise
        return _usable(self._text)

    def expire(self) -> None:
        """Distrust what was read: the other side refused it."""
        self._expired = True

    def _look(self) -> None:
        path = Path(self._source)
        try:
            now = path.stat()
            _refuse_irregular(now.st_mode)
            seen = (now.st_mtime_ns, now.st_size, now.st_ino)
            if seen == self._seen and not self._expired:
                return
            text = _usable(_bytes(path).decode().strip())
        except OSError as error:
            raise SecretError("not there" if isinstance(error, FileNotFoundError) else reason(error)) from None
        except ValueError:  # The decoder's error holds the bytes.
            raise SecretError("not UTF-8") from None
        self._text, self._seen, self._expired = text, seen, False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._kind, self._source) == (other._kind, other._source)

    def __hash__(self) -> int:
        return hash((self._kind, self._source))

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> tuple[type["_Masked"], tuple[()]]:
        return _Masked, ()


def _bytes(path: Path) -> bytes:
    """
    Read a file that may have been swapped for anything since it was looked at; a pipe must not hold us up.

    Raises:
        SecretError: it is no regular file, or too long.
        OSError: it can't be read.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        _refuse_irregular(os.fstat(file.fileno()).st_mode)
        text = file.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise SecretError("longer than 64 KiB")
    return text


def _refuse_irregular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise SecretError("no regular file", cure="name a regular file, or a link to one")


_ODD: Final = {"\ufeff": "a byte order mark: save the file as UTF-8 without it", "\0": "a NUL", "\n": "a line break", "\r": "a line break"}


def _usable(text: str) -> str:
    """
    Return a secret's text, where it could have been meant.

    Raises:
        SecretError: it is empty, or holds what no key has and no eye sees.
    """
    if not text:
        raise SecretError("empty")
    if any("\ud800" <= one <= "\udfff" for one in text):  # What an environment's bytes become where they are no UTF-8.
        raise SecretError("not UTF-8")
    odd = next((one for one in text if not one.isprintable()), None)
    if odd is not None:
        raise SecretError(f"holds {_ODD.get(odd, 'a character that can not be seen')}")
    return text


class _Masked(Secret):
    """What is left of a secret on the other side of a pickle."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("text", _MASK)

    def read(self) -> NoReturn:
        raise SecretError("a pickled secret holds nothing")

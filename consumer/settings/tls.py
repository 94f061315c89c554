"""The TLS files that the settings name, as the client takes them. What is wrong with one is said, what is in it never."""

import ssl
from pathlib import Path
from typing import Final

from .findings import reason

_CA: Final = "kafka.ssl_cafile"
_CERTIFICATE: Final = "kafka.ssl_certfile"
_KEY: Final = "kafka.ssl_keyfile"
IRREGULAR: Final = "what it names is no regular file"
NAME_A_FILE: Final = "name a regular file, or a link to one"


class Unusable(OSError):
    """A TLS file can't be used; `setting` names it, `cure` says what to do."""

    def __init__(self, setting: str, what: str, cure: str) -> None:
        super().__init__(f"{setting}: {what}; {cure}")
        self.setting, self.what, self.cure = setting, what, cure


def context(cafile: str | None, certfile: str | None, keyfile: str | None) -> ssl.SSLContext:
    """
    Read the files, and ask for no password.

    Raises:
        Unusable: one of them is not what it should be.
    """
    for setting, file in ((_CA, cafile), (_CERTIFICATE, certfile), (_KEY, keyfile)):
        if file is not None and Path(file).exists() and not Path(file).is_file():  # A pipe would hold us up for ever.
            raise Unusable(setting, IRREGULAR, NAME_A_FILE)
    try:
        made = ssl.create_default_context(cafile=cafile)
    except OSError as error:  # Not chained, here and below: the client's own text adds nothing.
        if _is_empty(cafile):
            raise Unusable(_CA, "the file it names is empty", "put the authority's certificate there, as PEM") from None
        raise _unread(_CA, error, "no certificate in PEM form is in it", "put the authority's certificate there, as PEM") from None
    if certfile is not None and keyfile is not None:
        _show(made, certfile, keyfile)
    return made


def _show(made: ssl.SSLContext, certfile: str, keyfile: str) -> None:
    """Let the context show our certificate where it is asked for."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certfile)
    except OSError as error:
        raise _unread(_CERTIFICATE, error, "no certificate in PEM form is in it", "put our certificate there, as PEM") from None
    try:
        made.load_cert_chain(certfile, keyfile, password=lambda: b"")  # Else an encrypted key has OpenSSL ask on the terminal.
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Unusable(_KEY, "the key of another certificate", "put the key of kafka.ssl_certfile there") from None
        if _is_encrypted(keyfile):
            raise Unusable(_KEY, "the key is encrypted", "take the password off: openssl pkey -in OLD -out NEW") from None
        raise Unusable(_KEY, "no key in PEM form is in it", "put the certificate's key there, as PEM") from None
    except OSError as error:
        raise _unread(_KEY, error, "", "") from None


def _unread(setting: str, error: OSError, what: str, cure: str) -> Unusable:
    if isinstance(error, ssl.SSLError):
        return Unusable(setting, what, cure)
    return Unusable(setting, f"the file it names can't be read: {reason(error)}", "correct the path, or the file's owner and mode")


def _is_empty(path: str | None) -> bool:
    try:
        return path is not None and not Path(path).read_bytes().strip()
    except OSError:
        return False


def _is_encrypted(keyfile: str) -> bool:
    try:
        return b"ENCRYPTED" in Path(keyfile).read_bytes()
    except OSError:
        return False

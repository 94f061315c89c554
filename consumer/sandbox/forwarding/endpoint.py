"""The endpoint of the town's webhook: where it is, and the secret that both sides know."""

import json
import shlex
from pathlib import Path
from typing import Final

from msgspec import Struct

_HEADER: Final = "X-Sesamy-Secret"
_SECRET: Final = "secret-of-the-town-s-webhook"  # noqa: S105 - of a town on loopback
_PATH: Final = "/events"


class Endpoint(Struct, frozen=True):
    """A webhook on loopback; its secret lies in `file`, as the receiver's settings name it."""

    port: int
    file: Path

    @property
    def url(self) -> str:
        """Where events are posted to."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    @property
    def headers(self) -> dict[str, str]:
        """The endpoint's static headers."""
        return {_HEADER: _SECRET}

    def curl(self, vendor: str, user: str) -> str:
        """Return a command for a shell that posts an event, as Sesamy does."""
        event = json.dumps({"eventType": "userVendor.1#update", "vendorId": vendor, "userId": user})
        secret = f"{_HEADER}: $(cat {shlex.quote(str(self.file))})"
        return f'curl -i {self.url} -H "{secret}" -H "Content-Type: application/json" -d {shlex.quote(event)}'

    def settings(self) -> str:
        """Return the receiver's table of settings, and put the secret into its file."""
        self.file.write_text(_SECRET, encoding="utf-8")
        self.file.chmod(0o600)
        return f"""
[receive]
host = "127.0.0.1"
port = {self.port}
path = "{_PATH}"
header = "{_HEADER}"
secret = {{ file = "{self.file}" }}
"""

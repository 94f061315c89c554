"""
Both remote sides in as little CPU as an answer can take, with a delay for each: prints its address, serves until it is ended.

Its readers are `u0`, `u1`, ..., each with two contracts. The first part of a path says what stands at Make.as: `same`, each contact as a
resync writes it; `changed`, each with another first name, whatever is written. `GET /calls` says how many calls of each kind came since
that was last asked; `GET /times`, with `--times`, when each reader's calls came and were answered (s, on the machine's monotonic clock).
"""

import argparse
import asyncio
import random
import re
import sys
import time
from collections import Counter
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from consumer.core.answers import sesamy as answers
from consumer.core.answers.sesamy import CONTRACTS
from consumer.core.answers.shapes import Json
from consumer.core.answers.snapshot import Snapshot
from consumer.core.mapping.documents import Documents, documents
from consumer.core.model import UserKey

SAME, CHANGED = "same", "changed"
KINDS: Final = ("profile", "contracts", "entitlements", "by_email", "upsert", "products", "subscriptions")
"""The calls of a resync; all others are `other`: tokens, registers, and the question whether a vendor heeds whom it is asked for."""
_LISTS: Final = [str(number) for number in range(1, 9)]
_HEAD_ENDS: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_READER: Final = re.compile(r"u\d+")
_TAKEN: Final = b'{"success":true}'


class Called(NamedTuple):
    """A call, and whose it was."""

    kind: str
    users: tuple[str, ...]
    body: bytes


@lru_cache(maxsize=100_000)
def _reader(user: str) -> tuple[bytes, bytes, dict[str, bytes]]:
    """Return the profile and the contracts of a reader, and its contact in each mode."""
    profile = {"userId": user, "email": f"{user}@example.com", "firstName": "Ann"}
    rows = [
        {
            "id": f"{user}-c{place}",
            "userId": user,
            "status": "ACTIVE",
            "items": [{"sku": f"s{place}", "name": f"N{place}", "purchaseOptionId": "o", "purchaseOptionName": "O"}],
        }
        for place in range(2)
    ]
    snapshot = Snapshot(
        user=UserKey("v", user),
        profile=answers.profile(Json(profile)),
        contracts=tuple(answers.rows(Json(rows), CONTRACTS)[0]),
        entitlements=(),
    )
    made = documents(snapshot)
    assert isinstance(made, Documents)
    fields = {name: value for name, value in msgspec.to_builtins(made.subscriber).items() if value is not None}
    contact = {"id": int(user[1:]) + 1, **fields, "tags": list(made.tags), "email_status": "active", "lists": _LISTS}
    contacts = {SAME: msgspec.json.encode(contact), CHANGED: msgspec.json.encode(contact | {"firstname": "Bob"})}
    return msgspec.json.encode(profile), msgspec.json.encode({"data": rows, "pagination": {"total": len(rows)}}), contacts


def called(path: str, body: bytes) -> Called:
    """Return what a call is, and the answer to it."""
    mode, _, rest = path[1:].partition("/")
    if rest.startswith("management/"):
        return _at_sesamy(rest.removeprefix("management/"))
    if rest == "oauth/token":
        return Called("other", (), b'{"access_token":"t","expires_in":86400}')
    return _at_makeas(rest.removeprefix("make/subscribers"), body, mode)


def _at_sesamy(path: str) -> Called:
    resource, _, rest = path.partition("/" if path.startswith("users/") else "?")
    if resource == "users":
        return Called("profile", (rest,), _reader(rest)[0])
    user = dict(part.partition("=")[::2] for part in rest.split("&")).get("userId", "")
    if not _READER.fullmatch(user):  # Who asks whether this is heeded.
        return Called("other", (), b"[]")
    return Called(resource, (user,), _reader(user)[1] if resource == "contracts" else b"[]")


def _at_makeas(path: str, body: bytes, mode: str) -> Called:
    if path == "/by_email":
        user = _of(msgspec.json.decode(body)["email"])
        return Called("by_email", (user,), _reader(user)[2][mode])
    if path == "/subscriptions/products/bulkinsert":
        return Called("products", (), _TAKEN)
    if path == "/subscriptions/bulkinsert":
        return Called("subscriptions", tuple(dict.fromkeys(_of(row["email"]) for row in msgspec.json.decode(body))), _TAKEN)
    if path.partition("?")[0] == "":
        return Called("upsert", (_of(msgspec.json.decode(body)["email"]),), _TAKEN)
    return Called("other", (), b"[]")


def _of(email: str) -> str:
    return email.partition("@")[0]


class Quick(asyncio.Protocol):
    """One connection: a request at a time, answered after the delay."""

    calls: ClassVar[Counter[str]] = Counter()
    times: ClassVar[dict[str, list[tuple[str, float, float]]]] = {}
    delay_s: ClassVar[float] = 0.0
    spread: ClassVar[float] = 0.0
    """By which part of the delay an answer may come sooner or later."""
    chance: ClassVar[random.Random] = random.Random(1)
    tells_times: ClassVar[bool] = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._loop = asyncio.get_running_loop()
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (ends := self._read.find(_HEAD_ENDS)) >= 0:
            found = _LENGTH.search(self._read, 0, ends + 2)
            starts = ends + len(_HEAD_ENDS)
            length = int(found[1]) if found else 0
            if len(self._read) < starts + length:
                return
            path = self._read[: self._read.index(b" HTTP/")].split(b" ", 1)[1].decode("ascii")
            body, self._read = self._read[starts : starts + length], self._read[starts + length :]
            self._take(path, body)

    def _take(self, path: str, body: bytes) -> None:
        if path == "/calls":
            self._write(msgspec.json.encode(self.calls))
            self.calls.clear()
        elif path == "/times":
            self._write(msgspec.json.encode(self.times))
        else:
            call, at = called(path, body), time.monotonic()
            self.calls[call.kind] += 1
            delay_s = self.delay_s * (1 + self.chance.uniform(-self.spread, self.spread))
            self._loop.call_later(delay_s, self._answer, call, at)

    def _answer(self, call: Called, at: float) -> None:
        if self.tells_times:
            answered = time.monotonic()
            for user in call.users:
                self.times.setdefault(user, []).append((call.kind, at, answered))
        self._write(call.body)

    def _write(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode("ascii") + body)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-s", type=float, default=0.02)
    parser.add_argument("--spread", type=float, default=0.0)
    parser.add_argument("--times", action="store_true")
    given = parser.parse_args()
    Quick.delay_s, Quick.spread, Quick.tells_times = given.delay_s, given.spread, given.times
    server = await asyncio.get_running_loop().create_server(Quick, "127.0.0.1", 0, backlog=2000)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

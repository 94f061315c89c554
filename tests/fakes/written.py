"""Records of the dead-letter topic as they were written, and what is read of them."""

from consumer.core.events import encode
from consumer.core.letters.book import Change, Letterbook
from consumer.core.letters.headers import Headers as Read
from consumer.core.letters.history import History
from consumer.core.letters.record import parse
from consumer.core.model import Event, Place, UserKey

ANN, BO = UserKey("v", "ann"), UserKey("v", "bo")

Headers = list[tuple[str, bytes]]


def letter(user: UserKey | None = ANN, code: str = "http-422", account: str = "1", **more: str) -> tuple[Headers, bytes]:
    said = {
        "error.code": code,
        "error.stage": "makeas",
        "source.topic": "t",
        "source.partition": "3",
        "source.offset": "40",
        "parked_at": "2026-11-24T08:00:00.000Z",
        "attempts": "2",
        "makeas.account": account,
        "makeas.lists": "11,12",
        **{name if name == "parked_at" else name.replace("_", "."): value for name, value in more.items()},
    }
    if not account:
        del said["makeas.account"]
    return [(name, value.encode()) for name, value in said.items()], b"" if user is None else encode(Event(user, "contract.1#update"))


def mark(place: str, state: str, origin: tuple[str, str, str] | None = None) -> tuple[Headers, bytes]:
    repeated = zip(("source.partition", "source.offset", "parked_at"), origin or (), strict=False)
    said = {"letter": place, "state": state, "marked_at": "2026-11-24T09:00:00.000Z", **dict(repeated)}
    return [(name, value.encode()) for name, value in said.items()], b""


def read(book: Letterbook, place: Place, headers: Read, value: bytes | None, key: bytes | None = None, *, timestamp_ms: int = 5) -> Change:
    return book.read(place, parse(headers, value, key, timestamp_ms=timestamp_ms, now=1.0))


def book(*records: tuple[Headers, bytes]) -> tuple[Letterbook, list[tuple[int, int] | None]]:
    made = Letterbook()
    return made, [read(made, Place(0, offset), headers, value).wanted for offset, (headers, value) in enumerate(records)]


def history(*records: tuple[Headers, bytes]) -> History:
    made = History()
    for offset, (headers, value) in enumerate(records):
        made.read(Place(0, offset), headers, value)
    return made

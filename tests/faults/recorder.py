"""Records what happens on real parts: the requests as the stand-ins meet them, the commits and letters as the broker has them."""

import base64
import re
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from consumer.sandbox.stand_ins.server import serving
from consumer.sandbox.town import PLACES, Town
from tests.faults.topics import LIFE, commits_of, read_all
from tests.history.letters import letter_op
from tests.history.operations import Called, Committed, Fetched, Left, Looked, Operation, Sent, Turned, Wrote

PODS: Final = 600
"""So many may come in one scene, one after the other."""
UNDER_WAY_S: Final = 0.5
"""So long after an answer that a pod is to stay away its calls may still arrive."""
_FIRST_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_VERSION: Final = 7000
"""Contracts that never changed began later than on its day."""
_OPS: Final = (
    ("POST", re.compile(r"/subscribers/by_email$"), "contact"),
    ("POST", re.compile(r"/subscribers$"), "upsert"),
    ("PATCH", re.compile(r"/subscribers/[^/]+$"), "update"),
    ("POST", re.compile(r"/products/bulkinsert$"), "products"),
    ("POST", re.compile(r"/subscriptions/bulkinsert$"), "subscriptions"),
    ("GET", re.compile(r"/subscribers/by_list$"), "leavers"),
    ("GET", re.compile(r"/management/users/[^/]+$"), "user"),
    ("GET", re.compile(r"/management/contracts$"), "contracts"),
    ("GET", re.compile(r"/management/entitlements$"), "entitlements"),
    ("POST", re.compile(r"/oauth/token$"), "token"),
)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def name_of(pod: int) -> str:
    """Return how a pod is named, in a history and at the front of its paths."""
    return f"pod-{pod}"


class Recorder:
    """
    Takes down a history; its times are those of the wall clock (s).

    The version of a user's state is in its last name, `v7`, all the way from Sesamy to the lists, and in the days on which its
    contracts start, all the way to its subscriptions.
    """

    def __init__(self, town: Town) -> None:
        """Take a town whose readers have not changed yet."""
        self.town = town
        self.operations: list[Operation] = []
        self.versions: dict[str, int] = defaultdict(int)
        self._life = 0
        self._changed_at: dict[str, list[float]] = defaultdict(list)
        """User -> when it became version 1, 2 ..."""
        self.by_email: dict[tuple[str, str], str] = {}
        """(vendor, address in lower case) -> user: one address may be a reader's of each."""
        for vendor, users in town.sesamy.users.items():
            for user, row in users.items():
                row["profile"]["lastName"] = "v0"
                if "email" in row["profile"]:
                    self.by_email[vendor, canonical(row["profile"]["email"])] = f"{vendor}|{user}"
        for place in PLACES:
            for email, contact in town.account(place).contacts.items():
                if contact["email_status"] != "active" and (place.vendor, email) in self.by_email:
                    self.record(Left(at=time.time(), account=place.account, user=self.by_email[place.vendor, email]))

    def record(self, op: Operation) -> None:
        """Take down what happened."""
        self.operations.append(op)

    def change(self, vendor: str, user: str) -> None:
        """Let a user's state be a newer one."""
        name = f"{vendor}|{user}"
        self.versions[name] += 1
        self.town.sesamy.users[vendor][user]["profile"]["lastName"] = f"v{self.versions[name]}"
        for contract in self.town.sesamy.users[vendor][user]["contracts"]:
            contract["startDate"] = day_of(self.versions[name])
        self._changed_at[name].append(time.time())

    def leave(self, account: str, user: str, *, back: bool = False) -> None:
        """Let a contact that is there opt out of an account's mail, or come back."""
        email = next(email for (_, email), name in self.by_email.items() if name == user)
        self.town.makeas.accounts[account].leave(email, "active" if back else "unsubscribed")
        self.record(Left(at=time.time(), account=account, user=user, back=back))

    def name_of(self, vendor: str, email: str) -> str:
        """Return whose address it is; empty: nobody's."""
        return self.by_email.get((vendor, canonical(email)), "")

    def version_at(self, user: str, at: float) -> int:
        """Return the version that a user's state had at a time."""
        return bisect_right(self._changed_at[user], at)

    # ---- What the stand-ins meet ----

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[str, str]]:
        """Serve both stand-ins below a path for each pod; gives the addresses of Sesamy and Make.as, without that path."""
        sesamy = self._outer(self.town.sesamy.app, self._at_sesamy)
        makeas = self._outer(self.town.makeas.app, self._at_makeas)
        async with serving(sesamy) as sesamy_url, serving(makeas) as makeas_url:
            yield sesamy_url, makeas_url

    def _outer(self, inner: Callable[[], web.Application], note: Any) -> web.Application:
        @web.middleware
        async def noted(request: web.Request, handler: _Handler) -> web.StreamResponse:
            _, pod, path = request.path.split("/", 2)
            op = next((op for method, pattern, op in _OPS if method == request.method and pattern.search(f"/{path}")), "other")
            answer: web.StreamResponse = await note(request, handler, pod, op)
            return answer

        outer = web.Application(client_max_size=16 * 1024 * 1024, middlewares=[noted])
        for pod in range(PODS):
            outer.add_subapp(f"/{name_of(pod)}", inner())
        return outer

    async def _at_sesamy(self, request: web.Request, handler: _Handler, pod: str, op: str) -> web.StreamResponse:
        vendor = self.town.sesamy._vendor(request) or ""
        if op != "token":
            self.record(Called(at=time.time(), pod=pod, upstream=f"sesamy:{vendor}", op=op))
        name = f"{vendor}|{request.path.rpartition('/')[2]}"
        version = self.versions.get(name, 0)
        answer = await handler(request)
        self._note_patience(answer, pod, f"sesamy:{vendor}")
        if op == "user" and answer.status in {200, 404}:
            self.record(Fetched(at=time.time(), pod=pod, user=name, version=version if answer.status == 200 else 0))
        return answer

    async def _at_makeas(self, request: web.Request, handler: _Handler, pod: str, op: str) -> web.StreamResponse:
        began_at, account = time.time(), _account_of(request)
        raw = await request.read()
        try:
            body = msgspec.json.decode(raw) if raw else None
        except msgspec.DecodeError:
            body = None
        user, *others = self._users_of(account, body)
        self.record(Called(at=began_at, pod=pod, upstream=account, op=op, user=user, others=tuple(others)))
        known = False
        try:
            answer = await handler(request)
            self._note_patience(answer, pod, account)
            known = request.transport is not None and not request.transport.is_closing() and answer.status == 200
            return answer
        finally:
            # Be the answer heard or not, what was applied is applied.
            if op == "contact" and known:
                version, lists = self._found(account, user)
                self.record(Looked(at=time.time(), pod=pod, account=account, user=user, began_at=began_at, version=version, lists=lists))
            if op in {"upsert", "update"} and isinstance(body, dict) and self._is_applied(account, body, began_at):
                lists = tuple(request.query.getall("subscriber_list_id[]", []))
                version = _version_of(body)
                self.record(
                    Wrote(
                        at=time.time(),
                        pod=pod,
                        account=account,
                        user=user,
                        part="contact",
                        version=version,
                        began_at=began_at,
                        lists=lists,
                        known=known,
                    )
                )
            if op == "subscriptions" and isinstance(body, list):
                self._note_rows(account, body, pod, began_at, known=known)

    def _note_rows(self, account: str, rows: list[Any], pod: str, began_at: float, *, known: bool) -> None:
        """Take down whose subscriptions were written, and of which version."""
        written, when = self.town.makeas.accounts[account].rows_written, time.monotonic() - (time.time() - began_at)
        versions: dict[str, int] = {}
        for row in rows:
            applied = written.get(str(row.get("external_id")), [])[-5:] if isinstance(row, dict) else []
            if any(at >= when and one == row for at, one in applied):
                user = self._users_of(account, row)[0]
                version = version_on(str(row.get("start_date")))
                versions[user] = min(versions.get(user, version), version)
        for user, version in versions.items():
            part = "subscriptions"
            self.record(
                Wrote(at=time.time(), pod=pod, account=account, user=user, part=part, version=version, began_at=began_at, known=known)
            )

    def _note_patience(self, answer: web.StreamResponse, pod: str, upstream: str) -> None:
        """Take down that a pod is to stay away; calls that were under way when it was told may still come."""
        wait_s = patience(answer.headers.get("Retry-After"), now=time.time()) if answer.status in {429, 503} else None
        if wait_s is not None:
            self.record(Turned(at=time.time() + UNDER_WAY_S, pod=pod, upstream=upstream, until=time.time() + wait_s))

    def _users_of(self, account: str, body: Any) -> list[str]:
        """Return whom a request is about, each once; empty: nobody that is known."""
        vendor = next((place.vendor for place in PLACES if place.account == account), "")
        rows = body if isinstance(body, list) and body else [body]
        return list(dict.fromkeys(self._user_of(vendor, row) for row in rows))

    def _user_of(self, vendor: str, row: Any) -> str:
        if not isinstance(row, dict):
            return ""
        if "external_id" in row and "product_external_id" not in row and "name" not in row:
            return f"{vendor}|{row['external_id']}"
        return self.name_of(vendor, str(row.get("email", "")))

    def _found(self, account: str, user: str) -> tuple[int, tuple[str, ...]]:
        """Return of which version a user's contact is, and which lists it is on."""
        email = next((email for (_, email), name in self.by_email.items() if name == user), "")
        contact = self.town.makeas.accounts[account].contacts.get(email, {})
        lists = set(contact.get("lists", ())) - self.town.makeas.accounts[account].left_lists(email)
        return _version_of(contact), tuple(sorted(lists))

    def _is_applied(self, account: str, body: dict[str, Any], began_at: float) -> bool:
        at = time.monotonic() - (time.time() - began_at)
        written = self.town.makeas.accounts[account].written.values()
        return any(when >= at and row == body for rows in written for when, row in rows[-5:])

    # ---- What the broker has ----

    async def read_topics(self, bootstrap: str, *, topic: str, group: str, letters: str) -> list[Operation]:
        """Return all that was recorded, with commits and letters, in the order of their times."""
        found: list[Operation] = [*self.operations]
        before: dict[int, int] = {}
        for at, partition, offset in await commits_of(bootstrap, group=group, topic=topic):
            found.append(Committed(at=at, partition=partition, offset=offset, before=before.get(partition, offset)))
            before[partition] = offset
        for record in await read_all(bootstrap, letters):
            headers = {name: value.decode() for name, value in record.headers}
            at = record.timestamp / 1000
            version = self.version_at(record.key.decode(), at) if record.value and record.key else 0
            found.append(letter_op(record.offset, at, record.key, record.value, headers, version=version))
        return sorted(found, key=lambda op: op.at)

    def sent(self, at: float, partition: int, offset: int, name: str) -> None:
        """Take down an event that is on the topic; no name: it can't be read."""
        place = partition + LIFE * self._life
        self.record(Sent(at=at, partition=place, offset=offset, user=name, version=self.version_at(name, at)))

    def anew(self) -> None:
        """Take down that the topic is another one of the same name from here on."""
        self._life += 1

    def take_away(self, before: Mapping[int, int], *, committed: Mapping[int, int]) -> int:
        """Drop what retention took before the group had read it, partition -> offset; return how many records that is."""
        gone = [
            op
            for op in self.operations
            if isinstance(op, Sent) and committed.get(op.partition, 0) <= op.offset < before.get(op.partition, 0)
        ]
        self.operations = [op for op in self.operations if op not in gone]
        return len(gone)


def _version_of(contact: Mapping[str, Any]) -> int:
    """Return the version that a contact's last name says; 0: another name."""
    name = str(contact.get("lastname", ""))
    return int(name[1:]) if re.fullmatch(r"v\d+", name) else 0


def day_of(version: int) -> str:
    """Return the day, as text, that says a version."""
    return f"{_FIRST_DAY + timedelta(days=version):%Y-%m-%dT00:00:00Z}"


def version_on(day: str) -> int:
    """Return the version that such a text says, whatever the time of the day; 0: it says none, as of a contract that never changed."""
    days = (datetime.fromisoformat(day) - _FIRST_DAY).days
    return days if days < _LAST_VERSION else 0


def canonical(email: str) -> str:
    """Return what two spellings of an address have in common."""
    return email.strip().lower()


def patience(text: str | None, *, now: float) -> float | None:
    """Return for how long (s) a Retry-After keeps a client away that takes none for longer than an hour; None: it says nothing."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(3600.0, float(text))
    try:
        return min(3600.0, max(0.0, parsedate_to_datetime(text).timestamp() - now))
    except ValueError:
        return None


def _account_of(request: web.Request) -> str:
    try:
        return base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode().partition(":")[0]
    except ValueError:
        return ""

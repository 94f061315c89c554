"""A stand-in for Make.as' subscribers API: strict, in memory, and sharing no code with the consumer's own client."""

import base64
import itertools
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from aiohttp import web

from .faults import Faults
from .makeas_reads import Reads, by_list, counted, shown, stamp

_BASE: Final = "/api/public/v2"
_MAX_ROWS: Final = 1000
_FIELDS: Final = ("firstname", "lastname", "company", "external_id")
_STATUSES: Final = frozenset({"active", "cancelled"})
_SUBSCRIPTION_FIELDS: Final = {"email", "external_id", "product_external_id", "start_date", "end_date", "name", "status"}

Row = dict[str, Any]


class Account:
    """One customer's data: contacts by address (lower case), products and subscriptions by external id."""

    def __init__(self, user_id: str, key: str, lists: set[str]) -> None:
        self.user_id, self.key, self.lists = user_id, key, lists
        self.contacts: dict[str, Row] = {}
        self.products: dict[str, Row] = {}
        self.subscriptions: dict[str, Row] = {}
        self.violations: list[str] = []
        """What must never happen: a contact that left was put back on a list."""
        self.by_hand: dict[str, set[str]] = {}
        """Contact's address -> tags of other tools, which must never be lost."""
        self.bought_once: set[str] = set()
        """Addresses of contacts that were put there with the tag of a single purchase, which is permanent."""
        self.refuses: dict[str, int] = {}
        """List id -> the status that any call answers which names the list."""
        self.bad_rows: set[str] = set()
        """External ids of subscriptions that are never taken; nor is anything that comes in the same call."""
        self.drops: set[str] = set()
        """Fields that are taken, and not kept."""
        self.always: Literal["replace", "merge"] | None = None
        """Do so whatever `tag` asks for; None: as it asks, and replace where it does not."""
        self.reads = Reads()
        self.left: dict[str, dict[str, str]] = {}
        """Contact's address -> list -> status there, where it is another than the contact's own."""
        self.in_flight = self.most_in_flight = 0
        self.written: dict[str, list[tuple[float, Row]]] = {}
        """Contact's address -> each accepted write of it, with its time."""
        self.rows_written: dict[str, list[tuple[float, Row]]] = {}
        """Subscription's external id -> each accepted write of it, with its time."""
        self._ids = itertools.count(1)
        self._by_id: dict[str, Row] = {}
        """Also those that are gone."""

    def contact(self, email: str, **fields: Any) -> Row:  # noqa: ANN401 - any of Make's fields
        """Put a contact there by hand, as another tool would."""
        row: Row = {"id": next(self._ids), "email": email, "tags": [], "lists": [], "email_status": "active"}
        row |= {"date_updated": stamp(), **fields}
        self.contacts[email.lower()] = self._by_id[str(row["id"])] = row
        self.by_hand[email.lower()] = {tag for tag in row["tags"] if not tag.startswith("sesamy_")}
        if "sesamy_made_single_purchase" in row["tags"]:
            self.bought_once.add(email.lower())
        return row

    def by_id(self, contact_id: str) -> Row | None:
        """Return a contact; None: it is not there."""
        row = self._by_id.get(contact_id)
        return row if row is not None and self.contacts.get(row["email"].lower()) is row else None

    def remove(self, email: str) -> None:
        """Let a person delete a contact that is there, with all that Make knows of it."""
        for known in (self.contacts, self.by_hand, self.left):
            known.pop(email.lower(), None)
        self.bought_once.discard(email.lower())

    def move(self, email: str, there: str) -> None:
        """Let a person give a contact that is there another address, at which none is."""
        row = self.contacts.pop(email.lower())
        row |= {"email": there, "date_updated": stamp()}
        self.contacts[there.lower()] = row
        self.by_hand[there.lower()] = self.by_hand.pop(email.lower(), set())
        self.left[there.lower()] = self.left.pop(email.lower(), {})
        if email.lower() in self.bought_once:
            self.bought_once = self.bought_once - {email.lower()} | {there.lower()}

    def left_lists(self, email: str) -> set[str]:
        """Return the lists that a contact has left, though not mail altogether."""
        return {one for one, status in self.left.get(email.lower(), {}).items() if status != "active"}

    def leave(self, email: str, status: str = "unsubscribed", *, list_id: str | None = None) -> None:
        """Let a contact that is there leave a list, or (None) mail altogether; `active`: come back."""
        if list_id is None:
            self.contacts[email.lower()]["email_status"] = status
        else:
            self.left.setdefault(email.lower(), {})[list_id] = status
        self.contacts[email.lower()]["date_updated"] = stamp()

    def add_tag(self, email: str, tag: str) -> None:
        """Let another tool tag a contact that is there."""
        self.contacts[email.lower()]["tags"].append(tag)
        self.by_hand[email.lower()].add(tag)


class MakeAs:
    """The API's state, for all accounts; change it freely while it serves."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.faults = Faults()
        self.calls: Counter[tuple[str, str]] = Counter()
        """(account, operation) -> calls; a refused key is operation `401`."""

    def add_account(self, user_id: str, *, key: str, lists: set[str]) -> Account:
        """Open an account."""
        self.accounts[user_id] = Account(user_id, key, lists)
        return self.accounts[user_id]

    def app(self) -> web.Application:
        """Return the API as an application."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        for method, path, op, handle in (
            ("POST", "/subscribers/by_email", "contact", self._by_email),
            ("POST", "/subscribers", "upsert", self._upsert),
            ("PATCH", "/subscribers/{id}", "update", self._update),
            ("POST", "/subscribers/subscriptions/products/bulkinsert", "products", self._products),
            ("POST", "/subscribers/subscriptions/bulkinsert", "subscriptions", self._subscriptions),
            ("GET", "/subscriberlists/{id}", "list", self._list),
            # Before the one with an id: its word would be taken for one.
            ("GET", "/subscribers/by_list", "leavers", self._by_list),
            ("GET", "/subscribers/{id}", "by_id", self._by_id),
        ):
            app.router.add_route(method, _BASE + path, self._guarded(op, handle))
        return app

    def _guarded(
        self, op: str, handle: Callable[[Account, web.Request, Any], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            account = self._account(request)
            if account is None:
                self.calls[_claimed(request), "401"] += 1
                return web.json_response({"message": "Unauthorized"}, status=401)
            self.calls[account.user_id, op] += 1
            raw = await request.read()
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                return web.json_response({"message": "Bad JSON"}, status=400)
            account.in_flight += 1
            account.most_in_flight = max(account.most_in_flight, account.in_flight)
            try:
                return await self.faults.around(request, account.user_id, op, _user_of(body), lambda: handle(account, request, body))
            finally:
                account.in_flight -= 1

        return guarded

    def _account(self, request: web.Request) -> Account | None:
        account = self.accounts.get(_claimed(request))
        sent = request.headers.get("Authorization", "")
        wanted = "" if account is None else base64.b64encode(f"{account.user_id}:{account.key}".encode()).decode()
        return account if account is not None and sent == f"Basic {wanted}" else None

    async def _by_email(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        email = _address(body)
        if email is None:
            return _refused("Email is required")
        contact, reads = account.contacts.get(email.lower()), account.reads
        if contact is None or (reads.hides_left and contact["email_status"] != "active"):
            return web.json_response({"message": "Not found"}, status=404)
        return web.json_response(shown(contact, reads))

    async def _by_list(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        if request.query.get("list_id") not in account.lists:
            return _refused("Unknown list")
        return by_list(account.reads, account.contacts.values(), account.left, request)

    async def _by_id(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        contact = account.by_id(request.match_info["id"])
        if contact is None:
            return web.json_response({"message": "Not found"}, status=404)
        return web.json_response(shown(contact, account.reads))

    async def _upsert(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        email, lists = _address(body), request.query.getall("subscriber_list_id[]", [])
        if email is None:
            return _refused("Email is required")
        if account.refuses.keys() & lists:
            return web.json_response({"message": "Refused"}, status=next(account.refuses[one] for one in lists if one in account.refuses))
        if not lists or not set(lists) <= account.lists:
            return _refused("Unknown list")
        wrong = _wrong_fields(request, body)
        return (
            _refused(wrong) if wrong else self._apply(account, account.contacts.get(email.lower()) or account.contact(email), request, body)
        )

    async def _update(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        contact = account.by_id(request.match_info["id"])
        if contact is None:
            return web.json_response({"message": "Not found"}, status=404)
        wrong = _wrong_fields(request, body)
        if not set(request.query.getall("subscriber_list_id[]", [])) <= account.lists:
            wrong = "Unknown list"
        return _refused(wrong) if wrong else self._apply(account, contact, request, body)

    def _apply(self, account: Account, contact: Row, request: web.Request, body: Row) -> web.Response:
        if "status" in request.query or "status" in body:
            account.violations.append(f"status was sent for contact {contact['id']}")
        mode, lists = account.always or request.query.get("tag", "replace"), request.query.getall("subscriber_list_id[]", [])
        if lists and contact["email_status"] != "active":
            account.violations.append(f"contact {contact['id']} had left and was put on lists {lists}")
        elif gone := sorted(account.left_lists(contact["email"]) & set(lists)):
            account.violations.append(f"contact {contact['id']} had left and was put on lists {gone}")
        contact["lists"], contact["date_updated"] = sorted({*contact["lists"], *lists}), stamp()
        if "tags" in body and "tags" not in account.drops:
            contact["tags"] = list(dict.fromkeys([*(contact["tags"] if mode == "merge" else []), *body["tags"]]))
        contact.update({name: body[name] for name in _FIELDS if name in body and name not in account.drops})
        account.written.setdefault(contact["email"].lower(), []).append((time.monotonic(), dict(body)))
        return web.json_response({"id": contact["id"], "status": "200 Success"})

    async def _products(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        if not _is_bulk(body) or any(set(row) != {"external_id", "name"} for row in body):
            return _refused("Bad rows")
        account.products.update({row["external_id"]: row for row in body})
        return web.json_response({"status": "200 Success"})

    async def _subscriptions(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        if not _is_bulk(body) or any(
            not {"email", "external_id", "product_external_id"} <= set(row) <= _SUBSCRIPTION_FIELDS or row.get("status") not in _STATUSES
            for row in body
        ):
            return _refused("Bad rows")
        errors = [
            {"external_id": row["external_id"], "message": "refused" if row["external_id"] in account.bad_rows else "dangling"}
            for row in body
            if row["external_id"] in account.bad_rows
            or row["product_external_id"] not in account.products
            or row["email"].lower() not in account.contacts
        ]
        if errors:
            return web.json_response({"errors": errors})
        account.subscriptions.update({row["external_id"]: row for row in body})
        at = time.monotonic()
        for row in body:
            account.rows_written.setdefault(row["external_id"], []).append((at, row))
        return web.json_response({"status": "200 Success"})

    async def _list(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        list_id = request.match_info["id"]
        if list_id in account.refuses:
            return web.json_response({"message": "Refused"}, status=account.refuses[list_id])
        if list_id not in account.lists:
            return web.json_response({"message": "Not found"}, status=404)
        told = counted(account.reads, account.contacts.values(), account.left, list_id)
        return web.json_response({"id": int(list_id), "title": f"List {list_id}", **told})


def _claimed(request: web.Request) -> str:
    try:
        return base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode().partition(":")[0]
    except ValueError:
        return ""


def _refused(message: str) -> web.Response:
    return web.json_response({"message": message}, status=422)


def _address(body: object) -> str | None:
    email = body.get("email") if isinstance(body, dict) else None
    return email if isinstance(email, str) and "@" in email else None


def _wrong_fields(request: web.Request, body: object) -> str | None:
    """Return what is wrong with a contact as sent; nothing of it is applied then."""
    if not isinstance(body, dict) or any(not isinstance(body.get(name, ""), str) for name in _FIELDS):
        return "Bad fields"
    tags = body.get("tags", [])
    is_good = isinstance(tags, list) and all(isinstance(tag, str) and tag for tag in tags)
    return None if is_good and request.query.get("tag", "replace") in {"replace", "merge"} else "Bad tags"


def _is_bulk(body: object) -> bool:
    """Say whether a body is a bare array of rows, all of whose values are texts that are not empty."""
    if not isinstance(body, list) or not 0 < len(body) <= _MAX_ROWS:
        return False
    return all(isinstance(row, dict) and all(isinstance(value, str) and value for value in row.values()) for row in body)


def _user_of(body: object) -> str:
    """Return the address that a request is about, for faults of one user; of several, each on a line of its own."""
    rows = body if isinstance(body, list) else [body]
    return "\n".join(dict.fromkeys(str(row.get("email", "")).lower() for row in rows if isinstance(row, dict)))

"""Stands in for Make.as' subscribers API: strict, in memory, and sharing no code with the consumer's own client."""

import base64
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from .faults import Faults

_BASE: Final = "/api/public/v2"
_MAX_ROWS: Final = 1000
_FIELDS: Final = ("firstname", "lastname", "company", "external_id")
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
        self.in_flight = self.most_in_flight = 0
        self.written: dict[str, list[tuple[float, Row]]] = {}
        """Contact's address -> each accepted write of it, with its time."""

    def contact(self, email: str, **fields: Any) -> Row:  # noqa: ANN401 - any of Make's fields
        """Put a contact there by hand, as another tool would."""
        row: Row = {"id": len(self.contacts) + 1, "email": email, "tags": [], "lists": [], "email_status": "active", **fields}
        self.contacts[email.lower()] = row
        return row


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
            body = json.loads(raw) if raw else None
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
        contact = account.contacts.get(str(body["email"]).lower())
        return web.json_response({"message": "Not found"}, status=404) if contact is None else web.json_response(contact)

    async def _upsert(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        email, lists = str(body.get("email") or ""), request.query.getall("subscriber_list_id[]", [])
        if "@" not in email:
            return web.json_response({"message": "Email is required"}, status=422)
        if not lists or not set(lists) <= account.lists:
            return web.json_response({"message": "Unknown list"}, status=422)
        contact = account.contacts.get(email.lower()) or account.contact(email)
        if contact["email_status"] != "active":
            account.violations.append(f"contact {contact['id']} had left and was put on lists {lists}")
        contact["lists"] = sorted({*contact["lists"], *lists})
        return self._apply(account, contact, request, body)

    async def _update(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        contact = next((one for one in account.contacts.values() if str(one["id"]) == request.match_info["id"]), None)
        if contact is None:
            return web.json_response({"message": "Not found"}, status=404)
        return self._apply(account, contact, request, body)

    def _apply(self, account: Account, contact: Row, request: web.Request, body: Row) -> web.Response:
        if "status" in request.query or "status" in body:
            account.violations.append(f"status was sent for contact {contact['id']}")
        mode = request.query.get("tag", "replace")
        if mode not in {"replace", "merge"} or not all(isinstance(tag, str) for tag in body.get("tags", [])):
            return web.json_response({"message": "Bad tags"}, status=422)
        if "tags" in body:
            contact["tags"] = list(dict.fromkeys([*(contact["tags"] if mode == "merge" else []), *body["tags"]]))
        contact.update({name: body[name] for name in _FIELDS if name in body})
        account.written.setdefault(contact["email"].lower(), []).append((time.monotonic(), dict(body)))
        return web.json_response({"id": contact["id"], "status": "200 Success"})

    async def _products(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        if not _is_bulk(body) or any(set(row) != {"external_id", "name"} for row in body):
            return web.json_response({"message": "Bad rows"}, status=422)
        account.products.update({row["external_id"]: row for row in body})
        return web.json_response({"status": "200 Success"})

    async def _subscriptions(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        if not _is_bulk(body) or any(
            not {"email", "external_id", "product_external_id"} <= set(row) <= _SUBSCRIPTION_FIELDS for row in body
        ):
            return web.json_response({"message": "Bad rows"}, status=422)
        errors = [
            {"external_id": row["external_id"], "message": "dangling"}
            for row in body
            if row["product_external_id"] not in account.products or row["email"].lower() not in account.contacts
        ]
        if errors:
            return web.json_response({"errors": errors})
        account.subscriptions.update({row["external_id"]: row for row in body})
        return web.json_response({"status": "200 Success"})

    async def _list(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        list_id = request.match_info["id"]
        if list_id not in account.lists:
            return web.json_response({"message": "Not found"}, status=404)
        return web.json_response({"id": int(list_id), "title": f"List {list_id}"})


def _claimed(request: web.Request) -> str:
    try:
        return base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode().partition(":")[0]
    except ValueError:
        return ""


def _is_bulk(body: object) -> bool:
    return isinstance(body, list) and 0 < len(body) <= _MAX_ROWS and all(isinstance(row, dict) for row in body)


def _user_of(body: object) -> str:
    """Return the address that a request is about, for faults of one user."""
    row = body[0] if isinstance(body, list) and body else body
    return str(row.get("email", "")).lower() if isinstance(row, dict) else ""

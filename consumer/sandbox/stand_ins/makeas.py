"""A stand-in for Make.as' subscribers API: strict, in memory, and sharing no code with the consumer's own client."""

import base64
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from .faults import Faults
from .makeas_account import Account
from .makeas_reads import by_list, counted, shown, stamp
from .makeas_ways import address_of, are_tags, is_known, lists_of, rows_of, titles_of, wrong_rows

__all__ = ["Account", "MakeAs"]

_BASE: Final = "/api/public/v2"
_FIELDS: Final = ("firstname", "lastname", "company", "external_id")

Row = dict[str, Any]


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
            ("POST", "/subscribers/subscriptions/bulkinsert_by_external_id", "subscriptions", self._by_external_id),
            ("GET", "/subscriber_tags", "tags", self._tags),
            ("POST", "/subscriber_tags", "tag", self._tag),
            ("GET", "/subscriberlists/{id}", "list", self._list),
            # Before the one with an id: its word would be taken for one.
            ("GET", "/subscribers/by_list", "leavers", self._by_list),
            ("GET", "/subscribers/{id}", "by_id", self._by_id),
            ("DELETE", "/subscribers/{id}/subscriberlists/{list}", "off", self._take_off),
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
        hides = reads.hides_left or account.ways.opted_out == "hidden"
        if contact is None or (hides and contact["email_status"] != "active"):
            return web.json_response({"message": "Not found"}, status=404)
        return web.json_response(shown(contact, account.told))

    async def _by_list(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        if request.query.get("list_id") not in account.lists:
            return _refused("Unknown list")
        return by_list(account.told, account.contacts.values(), account.left, request)

    async def _by_id(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        contact = account.by_id(request.match_info["id"])
        if contact is None:
            return web.json_response({"message": "Not found"}, status=404)
        return web.json_response(shown(contact, account.told))

    async def _take_off(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        contact, list_id = account.by_id(request.match_info["id"]), request.match_info["list"]
        if contact is None or list_id not in account.lists or not account.ways.takes_off:
            return web.json_response({"message": "Not found"}, status=404)
        contact["lists"], contact["date_updated"] = [one for one in contact["lists"] if one != list_id], stamp()
        return web.Response(status=204)

    async def _upsert(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        email, lists = _address(body), lists_of(account.ways, request)
        if email is None:
            return _refused("Email is required")
        refusals = [account.refuses[one] for one in lists or () if one in account.refuses]
        if refusals:
            return web.json_response({"message": "Refused"}, status=refusals[0])
        if lists == [] or not set(lists or ()) <= account.lists:
            return _refused("Unknown list")
        wrong = _wrong_fields(account, request, body)
        return (
            _refused(wrong) if wrong else self._apply(account, account.contacts.get(email.lower()) or account.contact(email), request, body)
        )

    async def _update(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        contact = account.by_id(request.match_info["id"])
        if contact is None:
            return web.json_response({"message": "Not found"}, status=404)
        wrong = _wrong_fields(account, request, body)
        if not set(lists_of(account.ways, request) or ()) <= account.lists:
            wrong = "Unknown list"
        return _refused(wrong) if wrong else self._apply(account, contact, request, body)

    def _apply(self, account: Account, contact: Row, request: web.Request, body: Row) -> web.Response:
        if "status" in request.query or "status" in body:
            account.violations.append(f"status was sent for contact {contact['id']}")
        mode, lists = account.always or request.query.get("tag", "replace"), lists_of(account.ways, request) or []
        if contact["email"].lower() in account.trials:
            pass  # Whether it stays off is what is tried.
        elif lists and contact["email_status"] != "active":
            account.violations.append(f"contact {contact['id']} had left and was put on lists {lists}")
        elif gone := sorted(account.left_lists(contact["email"]) & set(lists)):
            account.violations.append(f"contact {contact['id']} had left and was put on lists {gone}")
        if account.ways.opted_out == "hidden":
            account.put_back(contact["email"], lists)
        contact["lists"], contact["date_updated"] = sorted({*contact["lists"], *lists}), stamp()
        if "tags" in body and "tags" not in account.drops:
            titles = titles_of(account.ways, account.catalogue, body["tags"])
            contact["tags"] = list(dict.fromkeys([*(contact["tags"] if mode == "merge" else []), *titles]))
        contact.update({name: body[name] for name in _FIELDS if name in body and name not in account.drops})
        account.written.setdefault(contact["email"].lower(), []).append((time.monotonic(), dict(body)))
        return web.json_response({"id": contact["id"], "status": "200 Success"})

    async def _products(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        rows = rows_of(account.ways, body, "products")
        if rows is None or any(set(row) != {"external_id", "name"} for row in rows):
            return _refused("Bad rows")
        account.products.update({row["external_id"]: row for row in rows})
        return web.json_response({"status": "200 Success"})

    async def _subscriptions(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        if (rows := rows_of(account.ways, body, "subscriptions")) is None:
            return _refused("Bad rows")
        if (wrong := wrong_rows(account.ways, rows)) is not None:
            return _refused(wrong)
        return self._kept(account, [row for row in rows if is_known(account.ways, row)])

    async def _by_external_id(self, account: Account, request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        if account.ways.subscriber_key != "subscriber_external_id":
            return web.json_response({"message": "Not found"}, status=404)
        return await self._subscriptions(account, request, body)

    @staticmethod
    def _kept(account: Account, rows: list[Row]) -> web.Response:
        """Keep rows, each with its subscriber's address whatever it was named by."""
        emails = {row["external_id"]: address_of(account.ways, row, account.contacts) for row in rows}
        errors = [
            {"external_id": row["external_id"], "message": "refused" if row["external_id"] in account.bad_rows else "dangling"}
            for row in rows
            if row["external_id"] in account.bad_rows
            or row["product_external_id"] not in account.products
            or emails[row["external_id"]] is None
        ]
        if errors:
            return web.json_response({"errors": errors})
        at = time.monotonic()
        for row in rows:
            kept = {name: value for name, value in row.items() if name != account.ways.subscriber_key}
            account.subscriptions[row["external_id"]] = kept = {"email": emails[row["external_id"]], **kept}
            account.rows_written.setdefault(row["external_id"], []).append((at, kept))
        return web.json_response({"status": "200 Success"})

    async def _tags(self, account: Account, request: web.Request, _body: Any) -> web.Response:  # noqa: ANN401
        return account.catalogue.page(request)

    async def _tag(self, account: Account, _request: web.Request, body: Any) -> web.Response:  # noqa: ANN401
        return account.catalogue.create(body)

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


def _wrong_fields(account: Account, request: web.Request, body: object) -> str | None:
    """Return what is wrong with a contact as sent; nothing of it is applied then."""
    if not isinstance(body, dict) or any(not isinstance(body.get(name, ""), str) for name in _FIELDS):
        return "Bad fields"
    is_good = are_tags(account.ways, body.get("tags", []))
    return None if is_good and request.query.get("tag", "replace") in {"replace", "merge"} else "Bad tags"


def _user_of(body: object) -> str:
    """Return the address that a request is about, for faults of one user; of several, each on a line of its own."""
    wrapped = next(iter(body.values())) if isinstance(body, dict) and len(body) == 1 else None
    rows = body if isinstance(body, list) else wrapped if isinstance(wrapped, list) else [body]
    return "\n".join(dict.fromkeys(str(row.get("email", row.get("subscriber_email", ""))).lower() for row in rows if isinstance(row, dict)))

"""Sesamy and Make.as as one simulated pod meets them: the API below the client for Make.as, the client itself for Sesamy."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import anyio
import msgspec

from consumer.core.answers.snapshot import Contract, Item, Profile, Snapshot
from consumer.core.errors import Denied, Forbidden, Refused, Retryable
from consumer.core.model import AccountId, UserKey
from consumer.resync.http.answers import Answer
from tests.history.operations import Bounded, Called, Fetched, Looked, Proved, Turned, Wrote
from tests.simulation.world import AT, CANARY, Broken, World, name_of

_WRITES: Final = frozenset({"upsert", "update", "products", "subscriptions"})
_ROWS: Final = frozenset({"products", "subscriptions"})
HANGS_S: Final = 40.0
"""How long a call hangs."""
_LIMIT_S: Final = 15.0


class FakeSesamy:
    """A vendor's API for one pod."""

    def __init__(self, world: World, vendor: str, pod: str = "p") -> None:
        self._world, self._vendor, self._pod = world, vendor, pod
        self._heeds: set[str] = set()
        """Resources that were last answered with no rows where nobody was asked for."""

    @property
    def _is_unfiltered(self) -> bool:
        return self._world.trouble.get(f"sesamy:{self._vendor}") == "unfiltered"

    async def obeys_filter(self, resource: str, user_id: str, *, permit: Callable[[], Awaitable[None]]) -> bool:
        await permit()
        if UserKey(self._vendor, user_id) in self._world.versions:
            raise Broken(f"{user_id} is somebody")
        await self._answer("filter", calls=1)
        await fail(self._world, f"filter:{self._vendor}", self._pod)
        if self._is_unfiltered:
            self._heeds.clear()
        else:
            self._heeds.add(resource)
        is_proven = self._heeds == {"contracts", "entitlements"}
        self._world.record(Proved(at=anyio.current_time(), pod=self._pod, vendor=self._vendor, heeds=is_proven))
        return not self._is_unfiltered

    async def _answer(self, op: str, *, calls: int, user: str = "") -> None:
        world, upstream = self._world, f"sesamy:{self._vendor}"
        for _ in range(calls):
            world.record(Called(at=anyio.current_time(), pod=self._pod, upstream=upstream, op=op, user=user))
        world.calls += calls
        await anyio.sleep(world.chance.uniform(0.02, 0.4))
        await fail(world, upstream, self._pod)

    async def snapshot(
        self, user: UserKey, *, permit: Callable[[], Awaitable[None]], page: Callable[[], Awaitable[None]] | None = None
    ) -> Snapshot | None:
        world, name = self._world, name_of(user)
        version = world.versions[user]
        await self._answer("fetch", calls=3, user=name)  # They are paid for before.
        if (f"sesamy:{self._vendor}", user) in world.forbidden:
            raise Forbidden("403", code="http-403")
        if user in world.absent:
            world.record(Fetched(at=anyio.current_time(), pod=self._pod, user=name, version=0))
            return None
        for _ in range(world.pages.get(user, 0)):
            await (page or permit)()
            await self._answer("page", calls=1, user=name)
        world.record(Fetched(at=anyio.current_time(), pod=self._pod, user=name, version=version))
        # Pages are read one by one: what is read may be the state of the first moment, never an older one.
        return Snapshot(
            user=user,
            profile=Profile(user_id=user.user, email=user.user + AT, given_name=CANARY, company=str(version)),
            contracts=(Contract(id=self._whose(user), status="ACTIVE", items=[Item(sku=f"s-{user.user}", name=str(version))]),),
            entitlements=(),
        )

    def _whose(self, user: UserKey) -> str:
        """Return whose contract it is: the first user's, whoever is asked for, where the filter is ignored."""
        return f"contract of {min(self._world.versions).user if self._is_unfiltered else user.user}"

    def renew(self) -> None:
        self._world.renewed += 1


class FakeExchange:
    """What stands in for `Http` at one account and one pod: the calls of Make.as' API."""

    def __init__(self, world: World, account: AccountId, pod: str, *, places: int) -> None:
        self._world, self._account, self._pod, self._places = world, account, pod, places
        self._vendor = world.vendor_of(account)
        self._inside: list[UserKey] = []
        self._most = 0

    async def exchange(
        self,
        op: str,
        method: str,  # noqa: ARG002
        path: str,  # noqa: ARG002
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
        json: Any = None,
        also: Collection[int] = (),  # noqa: ARG002
        limit_s: Callable[[], float] | None = None,
    ) -> Answer:
        limit = min(_LIMIT_S, limit_s()) if limit_s is not None else _LIMIT_S
        world, users = self._world, self._users_of(op, json)
        lists = tuple(value for name, value in query if name == "subscriber_list_id[]")
        began_at = anyio.current_time()
        name, *others = map(name_of, users)
        world.record(Called(at=began_at, pod=self._pod, upstream=self._account, op=op, user=name, others=tuple(others)))
        world.calls += 1
        with self._counted(op, users), anyio.move_on_after(limit):
            try:
                await anyio.sleep(world.chance.uniform(0.01, 0.3))
                await fail(world, self._account, self._pod)
            except anyio.get_cancelled_exc_class():
                # Who hangs up does not know whether it was heard.
                if world.chance.random() < 0.5:
                    self._apply_good(op, users, json, lists, began_at)
                raise
            objections = [error for user in users if (error := self._objection(user, lists))]
            if objections:
                # Of many rows an upstream may take all but the bad ones, or none.
                if len(users) > 1 and world.chance.random() < 0.5:
                    self._apply_good(op, users, json, lists, began_at)
                raise world.chance.choice(objections)
            if world.chance.random() < 0.003:
                self._apply_good(op, users, json, lists, began_at)
                raise Retryable("cut", code="cut")
            if op == "contact":
                return self._look(users[0], began_at)
            for user in users:
                self._apply(op, user, json, lists, began_at, known=True)
            return Answer(200, b'{"success": true}')
        raise Retryable("no answer", code="timeout")

    @contextmanager
    def _counted(self, op: str, users: Sequence[UserKey]) -> Iterator[None]:
        """Count the conversations: who waits for rows alone holds no place."""
        inside = [] if op in _ROWS else users
        self._inside += inside
        if (most := len(set(self._inside))) > self._most:
            self._most = most
            at = anyio.current_time()
            self._world.record(Bounded(at=at, pod=self._pod, name=f"conversations at {self._account}", value=most, limit=self._places))
        try:
            yield
        finally:
            for user in inside:
                self._inside.remove(user)

    def _users_of(self, op: str, json: Any) -> list[UserKey]:
        match op:
            case "contact":
                names = [json["email"].removesuffix(AT)]
            case "upsert" | "update":
                names = [json["external_id"]]
            case "products":
                names = [_buyer_of(row) for row in json]
            case _:
                names = [row["email"].removesuffix(AT) for row in json]
        return [UserKey(self._vendor, name) for name in dict.fromkeys(names)]

    def _objection(self, user: UserKey, lists: tuple[str, ...]) -> Exception | None:
        """Return what the account has against a user, or against a list that is named."""
        world, place = self._world, (self._account, user)
        if place in world.unwell:
            return Retryable("503", code="http-503")
        if place in world.forbidden:
            return Forbidden("403", code="http-403")
        if place in world.broken:
            return KeyError(place)
        if place in world.refused:
            return Refused("no", code="http-422")
        for one in lists:
            code = world.gone.get((self._account, one)) or ("http-409" if (self._account, one, user) in world.refused_there else None)
            if code is not None:
                return Forbidden("403", code=code) if code == "http-403" else Refused("no", code=code)
        return None

    def _look(self, user: UserKey, began_at: float) -> Answer:
        world = self._world
        world.record(Looked(at=anyio.current_time(), pod=self._pod, account=self._account, user=name_of(user), began_at=began_at))
        tags = world.contacts.get((self._account, user))
        if tags is None:
            return Answer(404, b"")
        status = "unsubscribed" if (self._account, name_of(user)) in world.seen.left else "active"
        found = {"id": user.user, "email": user.user + AT, "tags": sorted(tags), "email_status": status}
        return Answer(200, msgspec.json.encode(found))

    def _apply_good(self, op: str, users: Sequence[UserKey], json: Any, lists: tuple[str, ...], began_at: float) -> None:
        for user in users:
            if not self._objection(user, lists):
                self._apply(op, user, json, lists, began_at, known=False)

    def _apply(self, op: str, user: UserKey, json: Any, lists: tuple[str, ...], began_at: float, *, known: bool) -> None:
        if op not in _WRITES:
            return
        if is_contact := op not in _ROWS:
            version = int(json["company"])
            self._world.contacts.setdefault((self._account, user), set()).update(json["tags"])
        else:
            version = next(int(row["name"]) for row in json if user.user in {_buyer_of(row), row.get("email", "").removesuffix(AT)})
        self._world.record(
            Wrote(
                at=anyio.current_time(),
                pod=self._pod,
                account=self._account,
                user=name_of(user),
                part="contact" if is_contact else op,
                version=version,
                began_at=began_at,
                lists=lists,
                known=known,
            )
        )


def _buyer_of(product: Mapping[str, str]) -> str:
    """Return whose product it is: in a simulated life each has one of its own."""
    return product["external_id"].partition("|")[0].removeprefix("s-")


async def fail(world: World, upstream: str, pod: str) -> None:
    """Fail as the trouble at `upstream` says."""
    trouble = world.trouble.get(upstream)
    if trouble == "down" or (trouble == "500" and world.chance.random() < 0.9):
        raise Retryable("500", code="http-500")
    if trouble == "429":
        wait_s = world.chance.choice([None, 1.0, 3.0])
        if wait_s is not None:
            now = anyio.current_time()
            world.record(Turned(at=now, pod=pod, upstream=upstream, until=now + wait_s))
        raise Retryable("429", code="http-429", retry_after_s=wait_s)
    if trouble == "401":
        raise Denied("401", code="http-401")
    if trouble == "403":
        raise Forbidden("403", code="http-403")
    if trouble == "hang":
        await anyio.sleep(HANGS_S)
        raise Retryable("no answer", code="timeout")
    if world.chance.random() < 0.01:
        raise Retryable("cut", code="cut")

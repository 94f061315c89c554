"""Each call to Sesamy by itself: what each answer to it means, its token, its permit; against the stand-in."""

from typing import Any

import pytest

from consumer.core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from consumer.core.model import UserKey
from consumer.resync.http.answers import Answer
from consumer.resync.http.token import Token
from consumer.resync.sesamy import Sesamy
from consumer.sandbox.stand_ins.faults import Fault, Kind
from tests.fakes.answers import BAD_ANSWERS
from tests.unit.resync.test_sesamy import ANN, Permits, client, world

ROWS = ("contracts", "entitlements")


@pytest.mark.parametrize("op", ["user", "token", *ROWS])
@pytest.mark.parametrize(("kind", "code"), [*BAD_ANSWERS, ("shape", "wrong-shape")])
async def test_a_bad_answer_to_any_call_is_no_snapshot(op: str, kind: Kind, code: str) -> None:
    made = world()
    made.faults.add(Fault(kind=kind, op=op))
    # Short only where the time limit is what ends it: a large answer takes a busy machine longer.
    async with client(made.app(), timeout_s=0.5 if code == "timeout" else 30.0) as sesamy:
        with pytest.raises(ConsumerError) as caught:
            await sesamy.snapshot(ANN, permit=Permits())

    assert (type(caught.value), caught.value.code) == (Retryable, code)
    assert made.faults.seen == made.calls["v", op] >= 1


MEANINGS: dict[type[ConsumerError], tuple[int, ...]] = {
    Refused: (400, 413, 422),
    Retryable: (402, 404, 405, 408, 409, 410, 425, 429, 431, 500, 502, 503, 504),
    Denied: (401,),
    Forbidden: (403,),
}


@pytest.mark.parametrize("op", ["user", *ROWS])
async def test_what_each_status_of_a_call_means(op: str) -> None:
    """Of a user's own call a 404 says that there is none: here it has rows."""
    made, said = world(), dict[type[ConsumerError], list[int]]()
    async with client(made.app()) as sesamy:
        for status in sorted(status for some in MEANINGS.values() for status in some):
            made.faults.clear()
            made.faults.add(Fault(kind="status", op=op, status=status))
            with pytest.raises(ConsumerError) as caught:
                await sesamy.snapshot(ANN, permit=Permits())
            assert caught.value.code == ("user-missing" if (op, status) == ("user", 404) else f"http-{status}")
            said.setdefault(type(caught.value), []).append(status)

    assert {kind: tuple(some) for kind, some in said.items()} == MEANINGS


# ---- The token ----


class Api:
    """Tokens t1, t2, ... and an API that takes those in `good`; keeps what was asked with which."""

    def __init__(self, *good: str) -> None:
        self.good, self.given, self.asked = set(good), 0, list[str]()

    async def exchange(self, op: str, method: str, path: str, **more: Any) -> Answer:
        assert (method, path) == (("POST", "") if op == "token" else ("GET", f"/management/{op}"))
        if op == "token":
            self.given += 1
            return Answer(200, b'{"access_token": "t%d", "expires_in": 3600}' % self.given)
        token = more["headers"]["Authorization"].removeprefix("Bearer ")
        self.asked.append(token)
        if token not in self.good:
            raise Denied("no", code="http-401")
        return Answer(200, b"[]")


def with_tokens(api: Api) -> tuple[Sesamy, Token]:
    there: Any = api
    token = Token(there, client_id="c", client_secret=lambda: "s")
    return Sesamy(there, token), token


async def test_a_call_whose_token_is_refused_is_made_once_more_with_a_new_one_and_paid_for() -> None:
    api, permits = Api("t2"), Permits()
    sesamy, _ = with_tokens(api)
    assert await sesamy.obeys_filter("contracts", "email|nobody", permit=permits)

    assert (api.asked, permits.taken) == (["t1", "t2"], 2)


async def test_without_a_permit_it_is_not_made_once_more() -> None:
    class One(Permits):
        async def __call__(self) -> None:
            if self.taken:
                raise Held("no", code="gate")
            await super().__call__()

    api = Api("t2")
    with pytest.raises(Held) as caught:
        await with_tokens(api)[0].obeys_filter("contracts", "email|nobody", permit=One())

    assert (caught.value.code, api.asked) == ("gate", ["t1"])


async def test_a_token_that_is_refused_the_second_time_is_dropped_too() -> None:
    api = Api("t3")
    sesamy, _ = with_tokens(api)
    with pytest.raises(Denied):
        await sesamy.obeys_filter("contracts", "email|nobody", permit=Permits())
    assert await sesamy.obeys_filter("contracts", "email|nobody", permit=Permits())

    assert api.asked == ["t1", "t2", "t3"]


async def test_a_refused_token_drops_only_itself() -> None:
    """Of three calls with one token each is refused: what the first has had renewed is not dropped by the others."""
    api = Api()
    _, token = with_tokens(api)
    first = await token.get()
    token.drop(first)
    second = await token.get()
    token.drop(first)
    assert (first, second, await token.get(), api.given) == ("t1", "t2", "t2", 2)
    token.drop()
    assert (await token.get(), api.given) == ("t3", 3)


async def test_a_secret_that_is_refused_is_read_again_and_one_that_is_not_is_left_alone() -> None:
    expired: list[str] = []

    class Says(Api):
        error: ConsumerError | None = None

        async def exchange(self, op: str, method: str, path: str, **more: Any) -> Answer:
            if self.error is not None:
                raise self.error
            return await super().exchange(op, method, path, **more)

    api = Says()
    there: Any = api
    token = Token(
        there, client_id="c", client_secret=lambda: "s", expire_secret=lambda: expired.append(api.error.code if api.error else "")
    )
    for kind, code in ((Refused, "http-400"), (Forbidden, "http-403"), (Denied, "http-401"), (Retryable, "http-500")):
        api.error = kind("no", code=code)
        with pytest.raises(Retryable if kind is Retryable else Denied) as caught:
            await token.get()
        assert caught.value.code == code

    assert expired == ["http-400", "http-403", "http-401"]


# ---- The permits ----


@pytest.mark.parametrize(("contracts", "page_cap", "permits"), [(0, 100, 0), (250, 100, 2), (60, 25, 2)])
async def test_each_page_but_the_first_is_paid_for_before_it_is_asked_for(contracts: int, page_cap: int, permits: int) -> None:
    made = world(contracts=contracts, page_cap=page_cap)
    asked: list[int] = []

    async def permit() -> None:
        asked.append(made.calls["v", "contracts"])

    async with client(made.app()) as sesamy:
        await sesamy.snapshot(ANN, permit=permit)

    assert asked == list(range(1, permits + 1))
    assert made.calls["v", "contracts"] == permits + 1


async def test_pages_are_paid_for_apart_from_calls_that_are_made_again() -> None:
    """A token that ended early costs a call more, at once; the pages wait behind others."""
    made = world(contracts=250)
    made.faults.add(Fault(kind="status", op="user", status=401, times=1))
    asked: list[str] = []

    async def permit() -> None:
        asked.append("again")

    async def page() -> None:
        asked.append("page")

    async with client(made.app()) as sesamy:
        snapshot = await sesamy.snapshot(ANN, permit=permit, page=page)

    assert snapshot is not None
    assert (len(snapshot.contracts), sorted(asked)) == (250, ["again", "page", "page"])


async def test_a_page_that_is_not_paid_for_is_not_asked_for() -> None:
    made = world(contracts=250)

    async def permit() -> None:
        raise Held("no", code="gate")

    async with client(made.app()) as sesamy:
        with pytest.raises(Held) as caught:
            await sesamy.snapshot(ANN, permit=permit)

    assert (caught.value.code, made.calls["v", "contracts"]) == ("gate", 1)


# ---- Whose rows ----


@pytest.mark.parametrize("user", ["email|a&userId=b", "a#b", "a b+c", "..", "æ/ø"])
async def test_it_is_asked_for_this_user_alone_however_the_id_is_written(user: str) -> None:
    made = world()
    made.users["v"][user] = {"profile": {"userId": user}, "contracts": [{"id": "mine"}], "entitlements": [{"id": "e"}]}
    async with client(made.app()) as sesamy:
        snapshot = await sesamy.snapshot(UserKey("v", user), permit=Permits())

    assert snapshot is not None
    assert ([one.id for one in snapshot.contracts], [one.id for one in snapshot.entitlements]) == (["mine"], ["e"])

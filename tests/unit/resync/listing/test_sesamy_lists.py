"""All users, contracts and entitlements of one vendor: the readers are whole, or it is an error, or it is noted."""

from collections.abc import Sequence
from math import inf
from typing import Any

from consumer.core.answers.snapshot import Contract, Entitlement, Profile
from consumer.core.drift.bulk import Bulk
from consumer.core.drift.prints import Prints
from consumer.core.drift.readers import Readers
from consumer.core.errors import ConsumerError, Denied, Refused
from consumer.core.gates.gate import Gate
from consumer.core.model import UserKey
from consumer.resync.listing.sesamy_lists import Listed, Mark, Progress, Rows, SesamyLists
from consumer.resync.listing.turns import CantBeListed, Turns
from consumer.resync.sesamy import Page
from tests.clock import virtual
from tests.raising import raising

Row = Profile | Contract | Entitlement
NAMES = [f"user-{number:03}" for number in range(250)]
PAGE = 100


def contract(user: str | None, number: str = "1") -> Contract:
    return Contract(id=f"c {user} {number}", user_id=user, status="ACTIVE", is_active=True)


class Api:
    """A vendor whose users have a contract each, and an entitlement."""

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self.of: dict[str, list[Row]] = {
            "users": [Profile(user_id=name, email=f"{name}@example.com") for name in names],
            "contracts": [contract(name) for name in names],
            "entitlements": [Entitlement(id=f"e {name}", user_id=name, sku="s", has_access=True) for name in names],
        }
        self.said: dict[str, Any] = {}
        self.unusable: dict[str, int] = {}
        """So many rows of each page have no id."""
        self.fails: dict[tuple[str, int], ConsumerError] = {}
        self.asked: list[tuple[str, int]] = []
        self.singly: list[tuple[str, str]] = []

    async def users_page(self, offset: int, _: object) -> Page:
        return self._page("users", offset)

    async def contracts_page(self, offset: int, _: object) -> Page:
        return self._page("contracts", offset)

    async def entitlements_page(self, offset: int, _: object) -> Page:
        return self._page("entitlements", offset)

    async def rows_of(self, resource: str, user: UserKey, _: object) -> Sequence[Row]:
        self.singly.append((resource, user.user))
        return [contract(user.user)] if resource == "contracts" else [Entitlement(id=f"e {user.user}", sku="s", has_access=True)]

    def _page(self, resource: str, offset: int) -> Page:
        self.asked.append((resource, offset))
        for (name, least), error in self.fails.items():
            if name == resource and offset >= least:
                raise error
        rows = self.of[resource][offset : offset + PAGE]
        without_id = self.unusable.get(resource, 0)
        return Page([*rows[:20], *rows[20 + without_id :]], len(rows), self.said.get(resource, {}))


class Vendor:
    """One reading of a vendor; `kept`: what a reading before it kept."""

    def __init__(self, api: Api, kept: Sequence[tuple[Listed, Rows, Mark]] = (), *, bulk: Bulk | None = None) -> None:
        self.readers, self.kept = Readers("v", Prints(b"key")), list[tuple[Listed, Rows, Mark]]()
        turns = Turns("sesamy:v", Gate(rate_per_s=100, burst=10, run_calls=1, hold_s=inf), renew=lambda: None)
        sesamy: Any = api
        self.lists = SesamyLists("v", sesamy, turns, readers=self.readers, progress=Progress(), keep=self._keep, bulk=bulk)
        for listed, rows, mark in kept:
            self.lists.take(listed, rows, mark)

    def _keep(self, listed: Listed, rows: Rows, mark: Mark) -> None:
        copy = Mark(**{name: getattr(mark, name) for name in Mark.__struct_fields__})
        self.kept.append((listed, list(rows), copy))  # type: ignore[arg-type]

    @property
    def tagged(self) -> int:
        """How many readers are to have tags."""
        return sum(bool(self.readers.wanted(number).lacking([])) for number in range(len(self.readers)))


@virtual
async def test_every_user_is_read_with_its_rows_page_by_page() -> None:
    api = Api()
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert (vendor.readers.ids, vendor.readers.of_nobody) == (NAMES, 0)
    assert (vendor.readers.has_tags, vendor.tagged, vendor.lists.progress.not_told) == (True, 250, {})
    assert vendor.lists.calls == len(api.asked) == len(vendor.kept)
    assert [one for one in api.asked if one[0] == "users"] == [("users", 0), ("users", 95), ("users", 190), ("users", 245)]


@virtual
async def test_a_reading_that_was_cut_off_goes_on_behind_the_last_page_that_was_kept() -> None:
    whole = Vendor(Api())
    await whole.lists.read(deep=False)
    for cut in range(1, len(whole.kept)):
        api = Api()
        again = Vendor(api, whole.kept[:cut])
        await again.lists.read(deep=False)
        assert (again.readers.ids, again.tagged, len(api.asked)) == (NAMES, 250, len(whole.kept) - cut)


@virtual
async def test_users_that_are_refused_at_once_can_not_be_listed_and_later_it_is_an_error() -> None:
    api = Api()
    api.fails["users", 0] = Refused("users: status 403", code="http-403")
    with raising(CantBeListed, "http-403"):
        await Vendor(api).lists.read(deep=False)
    api = Api()
    api.fails["users", 1] = Refused("users: status 403", code="http-403")
    with raising(Refused, "http-403"):
        await Vendor(api).lists.read(deep=False)


@virtual
async def test_a_list_of_rows_that_is_refused_is_noted_and_tags_are_not_known() -> None:
    api = Api()
    api.fails["entitlements", 0] = Refused("entitlements: status 404", code="http-404")
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert (vendor.lists.progress.not_told, vendor.readers.has_tags, api.singly) == ({"entitlements": "http-404"}, False, [])


@virtual
async def test_rows_that_name_no_user_are_noted_and_asked_for_singly_where_that_is_wanted() -> None:
    api = Api()
    api.of["contracts"] = [contract(None, f"{number}") for number in range(250)]
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert (vendor.lists.progress.not_told, vendor.readers.has_tags) == ({"contracts": "nameless"}, False)
    deep = Vendor(api)
    await deep.lists.read(deep=True)
    assert (deep.readers.has_tags, deep.tagged, api.singly) == (True, 250, [("contracts", name) for name in NAMES])


@virtual
async def test_one_row_without_a_user_is_enough_for_tags_not_to_be_known() -> None:
    api = Api()
    api.of["contracts"][7] = contract(None)
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert (vendor.lists.progress.not_told, vendor.readers.has_tags) == ({"contracts": "nameless"}, False)


@virtual
async def test_nobody_is_asked_for_singly_that_is_not_written() -> None:
    api = Api(NAMES[:3])
    api.of["users"][1] = Profile(user_id=NAMES[1])
    api.fails["contracts", 0] = Refused("no", code="http-403")
    await Vendor(api).lists.read(deep=True)
    assert api.singly == [("contracts", NAMES[0]), ("contracts", NAMES[2])]


@virtual
async def test_asking_singly_goes_on_where_it_was_cut_off() -> None:
    api = Api(NAMES[:5])
    api.fails["contracts", 0] = Refused("no", code="http-403")
    whole = Vendor(api)
    await whole.lists.read(deep=True)
    singles = [place for place, (listed, *_) in enumerate(whole.kept) if listed == "each contracts"]
    api.singly.clear()
    again = Vendor(api, whole.kept[: singles[2]])
    await again.lists.read(deep=True)
    assert (api.singly, again.readers.has_tags) == ([("contracts", name) for name in NAMES[2:5]], True)


@virtual
async def test_no_user_at_all_is_an_error() -> None:
    with raising(Refused, "empty"):
        await Vendor(Api([])).lists.read(deep=False)


@virtual
async def test_fewer_users_than_are_said_and_rows_of_users_that_are_not_listed_are_errors() -> None:
    api = Api()
    api.said["users"] = {"total": 400}
    with raising(Refused, "half"):
        await Vendor(api).lists.read(deep=False)
    api = Api()
    del api.of["users"][60:]
    with raising(Refused, "half"):
        await Vendor(api).lists.read(deep=False)


@virtual
async def test_a_key_that_is_refused_in_the_middle_is_an_error_of_whichever_list() -> None:
    for listed in ("users", "contracts", "entitlements"):
        api = Api()
        api.fails[listed, 50] = Denied("no", code="http-401")
        with raising(Denied, "http-401"):
            await Vendor(api).lists.read(deep=False)


@virtual
async def test_for_a_first_load_each_reader_is_kept_whole() -> None:
    bulk = Bulk("v")
    await Vendor(Api(), bulk=bulk).lists.read(deep=False)
    found = bulk.snapshot(NAMES[249], now=0.0)
    assert found is not None
    assert ([one.id for one in found.contracts], [one.id for one in found.entitlements]) == (["c user-249 1"], ["e user-249"])


@virtual
async def test_rows_that_can_not_be_used_are_counted_and_where_they_are_many_it_is_an_error() -> None:
    api = Api()
    api.unusable["contracts"] = 2
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert {listed: mark.unusable for listed, mark in vendor.lists.progress.marks.items()} == {
        "users": 0,
        "contracts": 6,
        "entitlements": 0,
    }
    for listed in ("users", "contracts", "entitlements"):
        api = Api()
        api.unusable[listed] = 9
        with raising(Refused, "half"):
            await Vendor(api).lists.read(deep=False)


@virtual
async def test_what_is_left_is_guessed_from_the_first_page_on_and_none_is_at_the_end() -> None:
    left: list[int] = []

    class Counts(Api):
        def _page(self, resource: str, offset: int) -> Page:
            left.append(vendor.lists.left(deep=False))
            return super()._page(resource, offset)

    api = Counts()
    api.said = {resource: {"total": 250} for resource in ("users", "contracts", "entitlements")}
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert left[0] == 0
    assert left[1] == 2 + 3 + 6
    assert left[-1] <= 1
    assert sorted(left[1:], reverse=True) == left[1:]
    assert vendor.lists.left(deep=False) == 0


@virtual
async def test_a_reader_that_is_asked_for_singly_is_a_call() -> None:
    api = Api()
    api.fails["entitlements", 0] = Refused("entitlements: status 404", code="http-404")
    vendor = Vendor(api)
    await vendor.lists.read(deep=False)
    assert (vendor.lists.left(deep=False), vendor.lists.left(deep=True)) == (0, 250)
    again = Vendor(api)
    await again.lists.read(deep=True)
    assert again.lists.left(deep=True) == 0

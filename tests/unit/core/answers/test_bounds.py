"""Foreign text is bounded by length before any work on it: shown by length, not by time."""

import unicodedata
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec import convert

from consumer.core.answers import bounds
from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.letters.book import account_of
from consumer.core.letters.record import parse
from consumer.core.mapping.documents import Documents, documents, is_long
from consumer.core.mapping.tags import has_ended, is_active, slug
from consumer.core.model import UserKey
from consumer.core.text import shown
from consumer.resync.run import mapped

ID_CHARS, TEXT_CHARS, WORD_CHARS, TAGS, MAX_CHARS = 256, 512, 64, 1000, 99
MARKS = "\u0301" * 100_001
LONG = "x" * 100_001
ITEM = {"sku": "s", "name": "N", "purchaseOptionId": "po"}


def written(*, profile: dict[str, Any] | None = None, contract: dict[str, Any] | None = None, entitlement: Any = None) -> Documents:
    contracts, entitlements = [contract] if contract else [], [entitlement] if entitlement else []
    found = documents(snapshot(profile=profile, contracts=contracts, entitlements=entitlements))
    assert isinstance(found, Documents)
    return found


def snapshot(*, profile: dict[str, Any] | None = None, contracts: Any = (), entitlements: Any = ()) -> Snapshot:
    return Snapshot(
        user=UserKey("v", "u"),
        profile=convert({"email": "ann@example.com"} | (profile or {}), Profile),
        contracts=convert([{"id": "c1", "status": "ACTIVE", "items": [ITEM]} | one for one in contracts], tuple[Contract, ...]),
        entitlements=convert([{"id": "e1", "hasAccess": True} | one for one in entitlements], tuple[Entitlement, ...]),
    )


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep what the normaliser is given; its time grows with the square of a run of marks."""
    seen: list[str] = []
    normalize = unicodedata.normalize

    def counting(form: Any, text: str) -> str:
        seen.append(text)
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", counting)
    return seen


@pytest.mark.parametrize("text", [MARKS, "a" + MARKS, "\u0301\u0323" * 50_000, "é" * 100_001, "a" * 100 + MARKS, "\u1e69" + MARKS + "b"])
def test_the_normaliser_is_given_little_and_no_long_run_of_marks(handed: list[str], text: str) -> None:
    slug(text)
    written(profile={"tags": [text], "firstName": text, "company": text})
    written(entitlement={"title": text, "sku": text, "purchaseOption": text}, contract={"name": text, "items": [ITEM | {"name": text}]})

    assert max(map(len, handed), default=0) <= 2 * TEXT_CHARS
    for one in handed:
        marks = "".join("m" if unicodedata.combining(letter) else " " for letter in one)
        assert max(map(len, marks.split()), default=0) <= 30


def test_a_letter_keeps_its_own_marks() -> None:
    assert slug("Z" + "\u0301" * 40 + "algo") == slug("Z" + "\u0301" * 30 + "algo")
    assert slug("A\u030arbok") == "årbok"


def test_only_the_beginning_of_a_tag_counts() -> None:
    assert slug("a" * TEXT_CHARS + "b") == "a" * TEXT_CHARS
    assert slug(" " * TEXT_CHARS + "b") == ""
    (tag,) = written(profile={"tags": ["ø" * 100_001]}).tags
    assert len(tag) == MAX_CHARS


def test_only_so_many_tags_of_a_profile_count() -> None:
    assert len(written(profile={"tags": [f"t{number}" for number in range(TAGS + 1)]}).tags) == TAGS


@pytest.mark.parametrize(
    ("profile", "field"),
    [({"firstName": LONG}, "firstname"), ({"family_name": LONG}, "lastname"), ({"company": LONG}, "company")],
)
def test_a_long_name_comes_out_cut(profile: dict[str, Any], field: str) -> None:
    assert getattr(written(profile=profile).subscriber, field) == "x" * TEXT_CHARS


def test_a_long_title_comes_out_cut() -> None:
    found = written(contract={"items": [{"sku": "s", "title": LONG, "optionTitle": LONG}]})

    assert found.products[0].name == found.subscriptions[0].name == f"{'x' * TEXT_CHARS} - {'x' * TEXT_CHARS}"


@pytest.mark.parametrize(
    "contract",
    [
        {"id": "c" * (ID_CHARS + 1)},
        {"items": [ITEM | {"sku": "s" * (ID_CHARS + 1)}]},
        {"items": [ITEM | {"sku": "s" * (ID_CHARS + 1)}, ITEM]},
        {"items": [ITEM | {"purchaseOptionId": "s" * (ID_CHARS + 1)}]},
        {"items": [ITEM | {"listPriceId": "s" * (ID_CHARS + 1)}]},
    ],
)
def test_an_id_is_never_cut_its_contract_is_skipped_and_counted(contract: dict[str, Any]) -> None:
    found = written(contract=contract)

    assert (found.subscriptions, found.skipped_contracts) == ((), 1)
    assert "sesamy_active_subscriber" in found.tags


def test_the_longest_ids_are_sent_as_they_are() -> None:
    found = written(contract={"id": "c" * ID_CHARS, "items": [{"sku": "s" * ID_CHARS, "purchaseOptionId": "p" * ID_CHARS}]})

    assert found.subscriptions[0].external_id == "c" * ID_CHARS
    assert found.products[0].external_id == f"{'s' * ID_CHARS}|{'p' * ID_CHARS}"


def test_a_product_beside_with_an_id_too_long_is_left_out() -> None:
    found = written(contract={"items": [ITEM, ITEM | {"sku": LONG}, ITEM | {"sku": "t", "purchaseOptionId": LONG}]})

    assert [one.external_id for one in found.products] == ["s|po"]
    assert found.skipped_contracts == 0


def test_an_sku_too_long_makes_no_tag_and_the_title_does() -> None:
    assert written(entitlement={"title": "A", "sku": LONG, "purchaseOption": "po"}).tags == ("sesamy_active_entitlement_a",)
    assert written(entitlement={"sku": "s1", "purchaseOption": LONG}).tags == ("sesamy_active_sku_s1",)


@pytest.mark.parametrize("status", ["ACTIVE" + " " * WORD_CHARS, "ACTIVE" + " " * WORD_CHARS + "NOT", LONG])
def test_a_word_too_long_is_no_word_that_we_know(status: str) -> None:
    one = convert({"id": "c1", "status": status, "isActive": True}, Contract)

    assert (is_active(one), has_ended(one)) == (False, True)


def test_a_date_too_long_is_none() -> None:
    found = written(contract={"startDate": "2" * (WORD_CHARS + 1), "createdAt": "2024-01-01"})

    assert found.subscriptions[0].start_date == "2024-01-01"


def test_headers_far_too_long_are_read_by_nobody() -> None:
    headers = [("replaces", b"1:1," * 5_000), ("error.code", b"held"), ("makeas.account", LONG.encode())]
    said = parse(headers, b'{"eventType":"contract.1#update","vendorId":"v","userId":"u"}', b"v|u", timestamp_ms=0, now=0.0)

    letter = said.letter
    assert said.replaces == ()
    assert letter is not None
    assert account_of((), letter.account, letter.lists) == ()
    assert letter.account == ""  # Not None, which stands for all accounts.


def test_what_is_shown_is_cut() -> None:
    assert len(shown(LONG)) == 64


@pytest.mark.parametrize(
    ("contracts", "entitlements", "tags", "long"),
    [(250, 0, 0, False), (251, 0, 0, True), (0, 500, 0, False), (0, 501, 0, True), (0, 0, 501, True), (100, 200, 101, True)],
)
def test_rows_and_tags_make_a_snapshot_long(contracts: int, entitlements: int, tags: int, long: bool) -> None:
    assert is_long(snapshot(profile={"tags": ["x"] * tags}, contracts=[{}] * contracts, entitlements=[{}] * entitlements)) is long


@pytest.mark.parametrize(("rows", "turns"), [(5, False), (5_000, True)])
async def test_the_loop_goes_on_while_a_long_snapshot_is_mapped(rows: int, turns: bool) -> None:
    """A short one is mapped at once."""
    seen = 0
    found: list[object] = []

    async def turn() -> None:
        nonlocal seen
        while not found:
            await anyio.lowlevel.checkpoint()
            seen += not found

    async def work() -> None:
        found.append(await mapped(snapshot(contracts=[{"id": f"c{number}"} for number in range(rows)])))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        tasks.start_soon(turn)

    assert isinstance(found[0], Documents)
    assert len(found[0].subscriptions) == rows
    assert (seen > 0) is turns


def test_a_blank_is_a_blank_however_long() -> None:
    assert bounds.is_blank(" " * 100_001)
    assert not bounds.is_blank("s" * 100_001)
    assert bounds.identifier(" " * 10) is None

"""Vendors and event types that we don't know: each event counts once, and nothing grows without bound."""

from consumer.core.unknown import OTHER, UnknownTypes, UnknownVendors


def test_the_first_event_and_the_earliest_time_are_kept() -> None:
    unknown = UnknownVendors()
    said = [unknown.note("v", partition, offset, at_ms=at_ms) for partition, offset, at_ms in ((0, 40, 3000), (1, 7, 2000), (0, 41, 4000))]

    one = unknown.seen["v"]
    assert (one.first, one.since_ms, one.events) == ((0, 40), 2000, 3)
    assert said == ["first", "", ""]


def test_what_is_read_again_after_a_rebalance_counts_once() -> None:
    unknown = UnknownVendors()
    for offset in (40, 41, 40, 41, 42):
        unknown.note("v", 0, offset, at_ms=1)

    assert unknown.seen["v"].events == 3


def test_no_more_than_a_hundred_are_kept_and_that_is_said_once() -> None:
    unknown = UnknownVendors()
    said = [unknown.note(f"v{number}", 0, number, at_ms=1) for number in range(103)]
    said.append(unknown.note("v7", 0, 200, at_ms=1))

    assert (len(unknown.seen), unknown.seen["v7"].events) == (100, 2)
    assert said == ["first"] * 100 + ["full", "", "", ""]


def test_a_type_is_said_once_and_its_first_place_kept() -> None:
    unknown = UnknownTypes()
    said = [unknown.note("userVendor.1#deleted", 2, offset, at_ms=9000 + offset) for offset in (40, 41, 41)]

    one = unknown.seen["userVendor.1#deleted"]
    assert (one.first, one.since_ms, one.events) == ((2, 40), 9040, 2)
    assert said == [("userVendor.1#deleted", news) for news in ("first", "", "")]


def test_a_type_is_kept_clean_and_short() -> None:
    unknown = UnknownTypes()
    names = [unknown.note(text, 0, 1, at_ms=1)[0] for text in ("a\n\x1b[2J#b", "x" * 256, "contract.1#update\u200b")]

    assert list(unknown.seen) == names
    assert all(name.isprintable() and len(name) <= 64 for name in names)
    assert "contract.1#update" not in names


def test_no_more_than_fifty_types_are_kept_and_the_rest_share_one_name() -> None:
    unknown = UnknownTypes()
    said = [unknown.note(f"a.1#{number}", 0, number, at_ms=1) for number in range(53)]
    names = [name for name, _ in said]

    assert (len(unknown.seen), names[49:]) == (50, ["a.1#49", OTHER, OTHER, OTHER])
    assert [news for _, news in said] == ["first"] * 50 + ["full", "", ""]
    assert unknown.note("a.1#7", 0, 200, at_ms=1)[0] is names[7] is next(name for name in unknown.seen if name == "a.1#7")

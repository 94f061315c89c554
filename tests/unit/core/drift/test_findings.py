"""What differs, counted, and which readers are looked at again."""

from consumer.core.drift.contacts import Finding
from consumer.core.drift.findings import Findings
from consumer.core.model import AccountId, UserKey

ONE, TWO = AccountId("1"), AccountId("2")


def taken(*found: Finding) -> Findings:
    findings = Findings()
    findings.take(found, lists_of=lambda vendor: ("7", "8") if vendor == "v" else ())
    return findings


def test_each_reader_is_repaired_once_and_counts_once_on_each_list() -> None:
    found = taken(
        Finding(kind="field", vendor="v", user="ann", account=ONE),
        Finding(kind="tags", vendor="v", user="ann", account=ONE),
        Finding(kind="list", vendor="v", user="ann", account=ONE, lists=("7",)),
        Finding(kind="list", vendor="v", user="bob", account=ONE, lists=("7",)),
    )

    assert list(found.to_repair) == [UserKey("v", "ann"), UserKey("v", "bob")]
    assert found.changes == {"7": 2, "8": 1}
    assert found.counts == {("field", ONE, "*"): 1, ("tags", ONE, "*"): 1, ("list", ONE, "7"): 2}


def test_a_missing_reader_counts_on_all_its_lists() -> None:
    found = taken(Finding(kind="missing", vendor="v", user="ann", account=ONE, lists=("7", "8")))

    assert found.changes == {"7": 1, "8": 1}
    assert found.counts == {("missing", ONE, "7"): 1, ("missing", ONE, "8"): 1}


def test_what_no_resync_mends_is_left_and_changes_nothing() -> None:
    found = taken(
        Finding(kind="moved", vendor="v", user="ann", account=ONE, contact="17", repairs=False),
        Finding(kind="list", vendor="v", user="ann", account=ONE, lists=("7",), repairs=False),
        Finding(kind="stranger", vendor="", user="x", account=ONE, repairs=False),
    )

    assert (found.left, dict(found.to_repair), dict(found.changes)) == (2, {}, {})
    assert len(found.all) == 3


def test_two_accounts_are_counted_beside_each_other() -> None:
    found = taken(Finding(kind="field", vendor="v", user="ann", account=ONE))
    found.take([Finding(kind="field", vendor="v", user="ann", account=TWO)], lists_of=lambda _: ("9",))

    assert (found.changes, list(found.to_repair)) == ({"7": 1, "8": 1, "9": 1}, [UserKey("v", "ann")])


def test_readers_that_could_not_be_asked_are_left() -> None:
    findings = Findings()
    findings.unasked = 2
    assert findings.left == 2


def test_a_reader_with_anothers_contact_at_any_account_is_not_repaired_at_the_others_either() -> None:
    """A resync writes all accounts."""
    found = taken(
        Finding(kind="missing", vendor="v", user="ann", account=ONE, lists=("7",)),
        Finding(kind="field", vendor="v", user="bob", account=ONE),
    )
    found.take([Finding(kind="doubled", vendor="v", user="ann", account=TWO, repairs=False)], lists_of=lambda _: ("9",))
    found.hold_back()

    assert (list(found.to_repair), dict(found.changes), found.left) == ([UserKey("v", "bob")], {"7": 1, "8": 1}, 2)
    assert [(one.kind, one.user, one.repairs) for one in found.all] == [
        ("missing", "ann", False),
        ("field", "bob", True),
        ("doubled", "ann", False),
    ]


def test_of_two_readers_without_any_contact_the_first_is_repaired() -> None:
    found = taken(
        Finding(kind="doubled", vendor="v", user="ann", account=ONE, repairs=False),
        Finding(kind="missing", vendor="v", user="ann", account=ONE, lists=("7",)),
        Finding(kind="doubled", vendor="v", user="bob", account=ONE, repairs=False),
    )
    found.hold_back()

    assert list(found.to_repair) == [UserKey("v", "ann")]

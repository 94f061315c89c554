"""The result of a reconcile, list by list."""

from consumer.commands.reconcile.looking import Looked
from consumer.commands.reconcile.plan import Scope
from consumer.commands.reconcile.published import results
from consumer.core.drift.contacts import Finding, Kind
from consumer.core.drift.findings import Findings
from consumer.core.model import AccountId, UserKey

A, B = AccountId("a"), AccountId("b")
SCOPE = Scope(accounts={A: {"1": ("v",), "2": ("v", "w")}, B: {"3": ("w",)}}, vendors=("v", "w"), left_out=(), shared=frozenset())


def found(
    kind: Kind, user: str, vendor: str = "v", account: AccountId = A, lists: tuple[str, ...] = (), *, repairs: bool = True
) -> Finding:
    return Finding(kind=kind, vendor=vendor, user=user, account=account, lists=lists, repairs=repairs)


def counted(*some: Finding, done: tuple[str, ...] = (), all_retired: bool = False) -> dict[tuple[str, str], tuple[int, int, int]]:
    findings = Findings()
    findings.all.extend(some)
    looked = Looked(
        findings=findings, readers={"v": 9, "w": 4}, skipped={}, contacts={}, of_list={}, unknown_ids=0, no_account=0, not_compared=()
    )
    users = {UserKey("v", one) for one in done}
    made = list(results(looked, SCOPE, ended="agreed", done=users, synced=users, all_retired=all_retired, at_ms=7))
    assert {(one.at_ms, one.ended) for one in made} == {(7, "agreed")}
    return {(one.vendor, one.list): (one.readers, one.repaired, one.left) for one in made}


def test_each_list_of_each_vendor_has_its_own() -> None:
    assert counted() == {("v", "1"): (9, 0, 0), ("v", "2"): (9, 0, 0), ("w", "2"): (4, 0, 0), ("w", "3"): (4, 0, 0)}


def test_what_differs_counts_at_its_lists_once_a_reader() -> None:
    differ = (found("field", "x"), found("tags", "x"), found("list", "y", lists=("2",)), found("missing", "z", "w", B, ("3",)))

    assert counted(*differ) == {("v", "1"): (9, 0, 1), ("v", "2"): (9, 0, 2), ("w", "2"): (4, 0, 0), ("w", "3"): (4, 0, 1)}
    assert counted(*differ, done=("x",))["v", "2"] == (9, 1, 1)


def test_what_no_resync_mends_is_left_but_for_strangers_and_what_was_retired() -> None:
    differ = (found("moved", "x", repairs=False), found("doubled", "y", repairs=False), found("stranger", "s", "", repairs=False))

    assert counted(*differ)["v", "1"] == (9, 0, 2)
    assert counted(*differ, all_retired=True)["v", "1"] == (9, 0, 1)

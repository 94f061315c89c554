"""The report of a reconcile: counts by account, list and kind, in an order that stays, and ids alone."""

from msgspec.structs import fields

from consumer.commands.reconcile.looking import Looked
from consumer.commands.reconcile.report import Count, Report, counts
from consumer.core.drift.contacts import Finding
from consumer.core.drift.findings import Findings
from consumer.core.model import AccountId

A, B = AccountId("1"), AccountId("2")


def test_counts_stand_by_account_list_and_kind() -> None:
    findings = Findings()
    findings.take(
        [
            Finding(kind="missing", vendor="v", user="ann", account=B, lists=("20",)),
            Finding(kind="list", vendor="v", user="bo", account=A, lists=("10", "11")),
            Finding(kind="list", vendor="v", user="cat", account=A, lists=("11",)),
            Finding(kind="tags", vendor="v", user="bo", account=A),
            Finding(kind="field", vendor="v", user="bo", account=A),
        ],
        lists_of=lambda _: (),
    )
    looked = Looked(findings=findings, readers={}, skipped={}, contacts={}, of_list={}, unknown_ids=0, no_account=0, not_compared=())
    assert list(counts(looked)) == [
        Count(kind="field", account=A, list="*", readers=1),
        Count(kind="tags", account=A, list="*", readers=1),
        Count(kind="list", account=A, list="10", readers=1),
        Count(kind="list", account=A, list="11", readers=2),
        Count(kind="missing", account=B, list="20", readers=1),
    ]


def test_a_report_calls_unknown_ids_as_the_kind_of_finding_is_called() -> None:
    """What a file of a report says is read by programs of others: its keys stay."""
    assert {one.name: one.encode_name for one in fields(Report) if one.name != one.encode_name} == {"unknown_ids": "strangers"}

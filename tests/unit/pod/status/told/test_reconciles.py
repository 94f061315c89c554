"""The table of the last reconciles: said where there was one, what is left first."""

from consumer.pod.status.tables import other_tables
from consumer.pod.status.told.merged import lists_of
from consumer.pod.status.told.reconciles import HEADS, reconciles_table
from consumer.pod.status.tree import ListStatus, ReconcileStatus, Status

NOW = 1_795_507_200.0 + 4 * 3600  # 12:00 UTC.


def looked(list_id: str, *, left: int = 0, ended: str = "agreed", at: float = NOW - 9 * 3600) -> ListStatus:
    result = ReconcileStatus(at=at, ended=ended, readers=98_212, repaired=12, left=left)
    return ListStatus(vendor="v", account="1001", list=list_id, reconciled=result)


def test_it_says_when_all_readers_were_looked_at_and_what_came_of_it() -> None:
    lists = [ListStatus(vendor="v", account="1001", list="10"), looked("11"), looked("12", left=3, ended="differs")]
    made = reconciles_table(lists, now=NOW)

    assert [[cell.text for cell in row[:7]] for row in made.rows] == [
        ["v", "1001", "12", "03:00 UTC, 9 h ago", "98,212", "12", "3"],
        ["v", "1001", "11", "03:00 UTC, 9 h ago", "98,212", "12", "0"],
    ]
    assert [row[6].tone for row in made.rows] == ["mild", ""]
    assert {len(row) for row in made.rows} == {len(HEADS)}
    assert made in other_tables(Status(lists=tuple(lists)), now=NOW)


def test_nothing_is_said_where_there_was_none() -> None:
    made = reconciles_table([ListStatus(vendor="v", account="1001", list="10")], now=NOW)

    assert (made.rows, made.empty) == ((), "")


def test_of_several_pods_the_newest_counts_and_an_unknown_end_is_shown_as_it_is() -> None:
    pods = [Status(lists=(looked("11", at=at, ended=ended),)) for at, ended in ((5.0, "agreed"), (1e300, "later-word"))]
    none = Status(lists=(ListStatus(vendor="v", account="1001", list="11"),))
    (one,) = lists_of([none, *pods])

    assert one.reconciled is not None
    assert one.reconciled.ended == "later-word"
    ((*_, at, _, _, _, ended),) = reconciles_table([one], now=NOW).rows
    assert (at.text.split(",")[0], ended.text) == ("?", "later-word")

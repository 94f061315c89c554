"""The state as gauges, made when somebody scrapes."""

from prometheus_client import generate_latest

from consumer.pod.status.gauges import Scrape, gauges
from consumer.pod.status.told.lines import lines_of
from consumer.pod.status.tree import CauseStatus, GateStatus, LetterCounts, ListStatus, PartitionStatus, Status, UserCounts
from consumer.telemetry.metrics import Metrics
from tests.unit.telemetry.test_metrics import samples, settings


def test_the_state_is_pulled_as_gauges() -> None:
    status = Status(
        ready=True,
        users=UserCounts(dirty=6, limit=10, causes=(CauseStatus(cause="debounce", users=6, oldest_s=100.0), CauseStatus(cause="held"))),
        partitions=(
            PartitionStatus(partition=0, position=9, end=12, committed=5, open=2, paused=True, oldest_open_at=950.0),
            PartitionStatus(partition=1),
            PartitionStatus(partition=2, end=12),
            PartitionStatus(partition=3, position=9, committed=9),
        ),
        upstreams=(
            GateStatus(
                name="1001", kind="makeas", state="closed", cause="denied", closed_s=7, waiting_users=4, held_users=3, not_kept=("tags",)
            ),
        ),
        lists=(
            ListStatus(vendor="a", account="1001", list="7", last_write_at=900.0, oldest_pending_s=60.0, oldest_due_s=50.0, owed_users=4),
            ListStatus(vendor="a", account="1001", list="8", door="probing", owed_users=9, register="whole"),
            ListStatus(vendor="a", account="1001", list="9", door="left-out", owed_users=5, oldest_due_s=9000.0, left=2, paused=True),
        ),
    )
    scrape = Scrape(Metrics(settings()).registry, status, now=1000.0)
    found = samples(scrape)

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"sesamy_makeas_{name}", tuple(sorted(labels.items()))))

    assert (value("ready"), value("live")) == (1, 1)
    assert [value("partition_unread_records", partition=one) for one in "0123"] == [3, None, None, None], "an unknown end is not 0"
    assert [value("dirty_users", cause=cause) for cause in ("debounce", "held")] == [6, 0]
    assert [value("oldest_dirty_timestamp_seconds", cause=cause) for cause in ("debounce", "held")] == [900, None]
    assert (value("partition_lag_records", partition="0"), value("partition_lag_records", partition="1")) == (7, None)
    assert [value("partition_lag_records", partition=one) for one in "23"] == [None, None], "of a partition half known nothing is claimed"
    assert value("partition_paused", partition="0") == 1
    assert value("partition_oldest_open_timestamp_seconds", partition="0") == 950
    assert value("partition_oldest_open_timestamp_seconds", partition="1") is None
    assert [value("gate_closed", upstream="1001", cause=cause) for cause in ("breaker", "denied", "retry-after")] == [0, 1, 0]
    assert (value("gate_waiting_users", upstream="1001"), value("gate_held_users", upstream="1001")) == (4, 3)
    assert [value("account_not_kept", account="1001", what=what) for what in ("lists", "tags", "others_tags")] == [0, 1, 0]
    assert value("list_oldest_pending_timestamp_seconds", vendor="a", account="1001", list="7") == 940
    assert value("list_oldest_due_timestamp_seconds", vendor="a", account="1001", list="7") == 950
    assert value("list_oldest_pending_timestamp_seconds", vendor="a", account="1001", list="8") is None
    assert [value("list_left_out_users", vendor="a", account="1001", list=one) for one in "789"] == [0, 9, 0]
    assert [value("list_paused", vendor="a", account="1001", list=one) for one in "789"] == [0, 0, 1]
    assert value("list_oldest_due_timestamp_seconds", vendor="a", account="1001", list="9") is None, "what somebody has paused is not late"
    assert [value("list_left", vendor="a", account="1001", list=one) for one in "789"] == [None, 0, 2], "what nobody has read is not 0"
    assert value("list_last_write_timestamp_seconds", vendor="a", account="1001", list="7") == 900
    assert b"@" not in generate_latest(scrape)


def told(letters: LetterCounts) -> tuple[str, list[float]]:
    """Return what page and terminal say of letters, and the gauge of open ones."""
    status = Status(dead_letters=letters)
    open_ = next(one for one in gauges(status, now=0.0) if one.name == "sesamy_makeas_dead_letters_open")
    return [cell.text for cell in lines_of(status, now=0.0)][-1], [sample.value for sample in open_.samples]


def test_open_letters_that_nobody_has_counted_are_not_none() -> None:
    assert told(LetterCounts()) == ("letters open: not known; 0 written by this pod, 0 waiting", [])
    assert told(LetterCounts(open=0)) == ("0 letters open; 0 written by this pod, 0 waiting", [0.0])
    text, _ = told(LetterCounts(readable=False, writable=False))
    assert text.endswith("waiting: the dead-letter topic takes none and can't be read")

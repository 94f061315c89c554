"""What a pod says of itself: of a service that was brought into each state by hand."""

import time
from types import SimpleNamespace
from typing import Any, Final

import anyio
import pytest
from msgspec import structs

from consumer.core.events import decode
from consumer.core.mapping.kept import Asked, Kept
from consumer.core.model import AccountId, Failure, Place, UserKey
from consumer.core.text import shown
from consumer.pod.service import Service
from consumer.pod.status.report import Report
from consumer.pod.status.tree import Status
from consumer.resync.clients import Target, Upstreams, Vendor, gates
from consumer.settings.model import Settings
from tests.clock import virtual
from tests.fakes.service import is_live, service
from tests.fakes.written import letter, read
from tests.simulation.settings import SETTINGS

ANN: Final = UserKey("v1", "ann")


def status(pod: Service) -> Status:
    return Report(pod, started_at=1.0, host="h").status()


def well(settings: Settings = SETTINGS) -> Service:
    """Give a pod that is ready."""
    nothing: Any = None
    vendors = {
        vendor.id: Vendor(nothing, {one.id: Target(one, nothing) for one in settings.accounts_of(vendor.id)}) for vendor in settings.vendors
    }
    limits = gates(settings)
    pod = service(Upstreams(vendors, limits))
    pod.membership.state = "consuming"
    pod.membership.assignment.joined = True
    pod.follower.followed_at = anyio.current_time()
    return pod


@virtual
async def test_it_is_ready_and_each_thing_that_is_wrong_alone_makes_it_unready_and_is_named() -> None:
    async def starting(pod: Service) -> None:
        pod.membership.state = "starting"

    async def draining(pod: Service) -> None:
        pod.membership.state = "draining"

    async def left(pod: Service) -> None:
        pod.membership.assignment.joined = False

    async def no_topic(pod: Service) -> None:
        pod.membership.assignment.watch.missing = True

    async def no_letters(pod: Service) -> None:
        pod.writer.failing_since = anyio.current_time()
        await anyio.sleep(29)
        assert status(pod).ready
        await anyio.sleep(2)

    async def unread(pod: Service) -> None:
        await anyio.sleep(59)
        assert status(pod).ready
        await anyio.sleep(2)

    assert status(well()).ready
    found = []
    for ail in (starting, draining, left, no_topic, no_letters, unread):
        pod = well()
        await ail(pod)
        said = status(pod)
        assert not said.ready
        found.append(said.not_ready)

    assert found == [
        ("starting",),
        ("draining",),
        ("not a member of the group",),
        ("the topic is missing",),
        ("the dead-letter topic takes no letters",),
        ("the dead-letter topic can't be read",),
    ]


@virtual
async def test_a_run_of_ten_minutes_is_no_life() -> None:
    pod = well()
    pod.membership.assignment.joined = False
    pod.workers._since[ANN] = anyio.current_time()
    await anyio.sleep(599)
    pod.membership.tried_at = anyio.current_time()
    assert status(pod).live
    await anyio.sleep(1)
    assert not status(pod).live


@virtual
async def test_letters_are_counted_open_only_where_all_of_them_are_known() -> None:
    pod = well()
    assert status(pod).dead_letters.open is None, "what is not read yet is not 0"
    pod.follower.caught_up = True
    assert status(pod).dead_letters.open == 0
    await anyio.sleep(61)
    assert status(pod).dead_letters.open is None


class Consumer:
    """Knows how far a partition goes."""

    def __init__(self) -> None:
        self.generation = 7

    def end_of(self, partition: int) -> int | None:
        return {1: 90}.get(partition)


@virtual
async def test_a_partition_says_where_it_is_and_what_is_open_there() -> None:
    pod = well()
    consumer: Any = Consumer()
    pod.membership.member = pod.commits.member = consumer
    for partition in (2, 1, 5):
        pod.backlog.ledger.begin(partition, 10)
    pod.backlog.ledger.open(1, 12, since_ms=5_000)
    pod.backlog.ledger.read(1, 20)
    pod.commits.committed[1] = 12
    pod.backlog.topic_partitions = 8
    said = status(pod)

    rows = {one.partition: (one.position, one.end, one.committed, one.open, one.oldest_open_at, one.lag) for one in said.partitions}
    assert rows == {1: (20, 90, 12, 1, 5.0, 78), 2: (10, -1, -1, 0, None, None), 5: (10, -1, -1, 0, None, None)}
    assert [one.partition for one in said.partitions] == [1, 2, 5]
    assert (said.group.generation, said.group.topic_partitions, said.group.lease_left_s) == (7, 8, 0)


@virtual
async def test_who_owns_nothing_has_no_share_of_a_rate() -> None:
    pod = well()
    pod.up.gates.set_share(0.25, now=0)
    assert {one.rate_share for one in status(pod).upstreams} == {0.0}
    pod.backlog.ledger.begin(1, 0)
    assert {one.rate_share for one in status(pod).upstreams} == {0.25}


@virtual
async def test_who_waits_is_counted_at_the_gate_that_it_waits_for() -> None:
    pod = well()
    held = {("v1", AccountId("1")): 2, ("v1", AccountId("")): 3, ("v2", AccountId("3")): 4}
    schedule: Any = pod.backlog.schedule
    schedule.due_by_account = lambda: held
    waiting = {one.name: one.waiting_users for one in status(pod).upstreams}

    assert waiting == {"sesamy:v1": 3, "sesamy:v2": 0, "1": 2, "2": 0, "3": 4}


@virtual
async def test_users_are_counted_again_after_fifty_times_what_the_last_count_took() -> None:
    pod, clock = well(), iter((0.0, 1.0, 50.9, 51.0, 51.0))
    report = Report(pod, started_at=1.0, stopwatch=lambda: next(clock))
    event: Any = decode(b'{"eventType": "contract.7#update", "vendorId": "v1", "userId": "ann"}')
    seen = [sum(one.users for one in report.status().users.causes)]
    pod.backlog.schedule.submit(event, 0, 1, since_ms=940_000, now=anyio.current_time())
    seen += [sum(one.users for one in report.status().users.causes) for _ in range(2)]

    assert seen == [0, 0, 1]


@virtual
async def test_failures_come_newest_first() -> None:
    pod = well()
    for code, last_at in (("a", 5.0), ("b", 9.0), ("c", 7.0)):
        pod.resync.tally.failures["1", code] = Failure(code=code, upstream="1", count=1, last_at=last_at)

    assert [one.code for one in status(pod).recent_failures] == ["b", "c", "a"]


def test_the_oldest_event_of_each_cause_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    @virtual
    async def run() -> None:
        monkeypatch.setattr(time, "time", lambda: 1000.0)
        pod = well()
        event: Any = decode(b'{"eventType": "contract.7#update", "vendorId": "v1", "userId": "ann"}')
        pod.backlog.schedule.submit(event, 0, 1, since_ms=940_000, now=anyio.current_time())
        said = status(pod)

        assert said.users.dirty == 1
        assert [(one.cause, one.users, one.oldest_s) for one in said.users.causes if one.users] == [("debounce", 1, 60.0)]

    run()


async def test_a_pod_that_no_longer_tries_to_join_is_not_alive() -> None:
    """Each try is a sign of life, however often it fails."""
    pod = service()
    pod.membership.tried_at -= pod.membership.join_limit_s
    assert not is_live(pod)
    pod.membership.tried_at = anyio.current_time()
    assert is_live(pod)


async def test_a_member_must_poll_and_commit() -> None:
    """Either alone is no life; while a pod drains, nothing is polled."""
    pod = service()
    pod.membership.assignment.joined = True
    pod.membership.intake = type("Polled", (), {"polled_at": anyio.current_time(), "paused": False, "out": {}})()
    assert is_live(pod)

    pod.commits.tried_at -= 200.0
    assert not is_live(pod)
    pod.commits.tried_at = anyio.current_time()
    pod.membership.intake.polled_at -= 200.0
    assert not is_live(pod)
    pod.membership.state = "draining"
    assert is_live(pod)


@virtual
async def test_letters_are_grouped_and_unreadable_ones_counted_once_the_topic_has_been_read() -> None:
    pod = well()
    account = SETTINGS.accounts[0].user_id
    for offset, (headers, value) in enumerate((letter(account=account), letter(None, code="not-json", account=""))):
        read(pod.backlog.healing.book, Place(0, offset), headers, value)
    said = status(pod).dead_letters
    assert (said.open, said.unreadable, said.groups) == (None, None, ())

    pod.follower.caught_up = True
    said = status(pod).dead_letters
    assert (said.open, said.unreadable) == (1, 1)
    assert [(one.code, one.account, one.needs_a_person, one.unreadable) for one in said.groups] == [
        ("http-422", account, 1, False),
        ("not-json", "", 1, True),
    ]


async def test_a_partition_that_is_left_out_is_said_to_be() -> None:
    pod = well()
    for partition in (1, 2):
        pod.backlog.ledger.begin(partition, 10)
    intake: Any = SimpleNamespace(paused=False, out={2: 5.0}, polled_at=0.0)
    pod.membership.intake = intake

    assert [(one.out, one.paused) for one in status(pod).partitions] == [(False, False), (True, True)]


@virtual
async def test_only_letters_that_nothing_tries_again_need_a_person() -> None:
    pod = well()
    account, book = SETTINGS.accounts[0].user_id, pod.backlog.healing.book
    read(book, Place(0, 0), *letter(account=account))
    read(book, Place(0, 1), *letter(account=account, code="held"))
    read(book, Place(0, 2), *letter(None, code="not-json", account=""))
    assert status(pod).dead_letters.need_person is None, "what is not read yet is not 0"
    pod.follower.caught_up = True

    assert status(pod).dead_letters.need_person == 1


@virtual
async def test_a_list_has_its_name_and_is_paused_by_itself_or_with_its_vendor() -> None:
    first, *rest = SETTINGS.vendors
    named = structs.replace(first.makeas[0], name="Morgen\x07brev", paused=True)
    vendors = (structs.replace(first, makeas=(named, *first.makeas[1:])), structs.replace(rest[0], paused=True), *rest[1:])
    settings = structs.replace(SETTINGS, vendors=vendors)
    pod = well(settings)
    pod.settings = settings
    said = status(pod).lists

    assert (said[0].name, said[0].paused) == (shown("Morgen\x07brev"), True)
    assert "\x07" not in said[0].name
    assert {one.vendor for one in said if one.paused} == {first.id, rest[0].id}
    assert [one.paused for one in said if one.vendor == first.id].count(True) == 1


@virtual
async def test_what_an_account_does_not_keep_stands_at_its_gate() -> None:
    pod, asked = well(), Asked(email="a@example.com", before=None, lists=("10",), tags=("sesamy_a",))
    account = next(iter(pod.up.gates.accounts))
    kept = Kept(account)
    pod.up = structs.replace(pod.up, kept={account: kept})
    for user in "abc":
        kept.learn(UserKey("v1", user), asked, None, hides_left=False, now=anyio.current_time())
    await anyio.sleep(7)

    found = {one.name: (one.not_kept, one.not_kept_s) for one in status(pod).upstreams if one.not_kept}
    assert found == {account: (("lists", "tags"), 7.0)}

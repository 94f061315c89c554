"""Users, offsets and letters stay in step: each promise of the backlog by example; `properties/test_backlog` drives it at random."""

from consumer.core.backlog import Backlog
from consumer.core.events import URGENT
from consumer.core.gates.gates import Gates
from consumer.core.letters.headers import Named
from consumer.core.letters.healing import Healing
from consumer.core.letters.record import OpenLetter, Record
from consumer.core.model import AccountId, Addressee, Door, Event, Job, Letter, Place, Result, UserKey, Verdict
from consumer.core.users.schedule import Schedule
from tests.fakes.doors import Doors
from tests.fakes.rules import rules

A = AccountId("1")
ANN, BO = UserKey("v", "ann"), UserKey("v", "bo")
DONE, REFUSED = Result(Verdict.DONE), Result(Verdict.REFUSED, "http-422")
UNREADABLE = Letter(code="not-json", stage="intake", partition=0, offset=7)


class Desk:
    """A backlog of two partitions and one account, and how often it has said that there is something to do."""

    def __init__(self) -> None:
        self.doors = Doors()
        gates = Gates({}, {})
        schedule = Schedule(rules(max_attempts=1), {"v": (A,)}, urgent=URGENT)
        addressee = Addressee(id=A, user_id="1001", lists=("11",))
        self.backlog = Backlog(schedule, Healing(schedule, gates, {"v": (addressee,)}))
        self.work, self.letters = list[int](), list[int]()
        self.backlog.on_work = lambda: self.work.append(len(schedule))
        self.backlog.on_letters = lambda: self.letters.append(len(self.backlog.to_park))
        for partition in (0, 1):
            self.backlog.begin(partition, 5)

    def event(self, user: UserKey, partition: int, offset: int, now: float = 0.0) -> bool:
        opened = self.backlog.submit(Event(user, "contract.1#update"), partition, offset, since_ms=1, now=now)
        self.backlog.read_to(partition, offset + 1)
        return opened

    def take(self, now: float) -> Job:
        job = self.backlog.take(self.doors, now=now)
        assert job is not None
        return job

    def end(self, job: Job, result: Result, now: float) -> None:
        self.backlog.end_run(job, DONE, dict.fromkeys(job.accounts, result), now=now, uniform=0.5)

    @property
    def watermarks(self) -> dict[int, int]:
        return self.backlog.ledger.watermarks()


def test_an_offset_is_open_until_a_run_covers_it() -> None:
    desk = Desk()
    assert [desk.event(ANN, 0, 5), desk.event(ANN, 0, 6), desk.event(BO, 1, 9)] == [True, False, True]
    assert desk.watermarks == {0: 5, 1: 9}
    desk.end(desk.take(2), DONE, 3)

    assert (desk.watermarks, len(desk.work)) == ({0: 7, 1: 9}, 1)
    desk.end(desk.take(3), DONE, 4)
    assert desk.watermarks == {0: 7, 1: 10}


def test_what_is_refused_is_covered_by_its_letter_once_that_is_written() -> None:
    desk = Desk()
    desk.event(ANN, 0, 5)
    desk.end(desk.take(2), REFUSED, 3)
    letters = desk.backlog.to_park.users[ANN]
    assert (desk.watermarks[0], desk.letters, [one.code for one in letters]) == (5, [1], ["http-422"])

    assert desk.backlog.user_parked(ANN, letters, now=4)
    assert (desk.watermarks[0], len(desk.backlog.to_park), ANN in desk.backlog.schedule) == (6, 0, False)
    assert not desk.backlog.user_parked(ANN, letters, now=5)


def test_newer_letters_of_a_user_are_not_taken_for_written_with_the_older() -> None:
    desk = Desk()
    desk.event(ANN, 0, 5)
    desk.end(desk.take(2), REFUSED, 3)
    older = desk.backlog.to_park.users[ANN]
    desk.backlog.to_park.users[ANN] = newer = (*older, *older)

    assert not desk.backlog.user_parked(ANN, older, now=4)
    assert (desk.watermarks[0], desk.backlog.to_park.users) == (5, {ANN: newer})


def test_an_unreadable_record_counts_as_load_and_is_open_until_its_letter_is_written() -> None:
    desk = Desk()
    desk.backlog.park_record(UNREADABLE, since_ms=1)
    desk.backlog.read_to(0, 8)
    assert (desk.watermarks[0], desk.backlog.load, desk.letters) == (7, 1, [1])

    assert desk.backlog.record_parked(Place(0, 7), UNREADABLE)
    assert (desk.watermarks[0], desk.backlog.load) == (8, 0)


def test_what_goes_while_its_letter_is_on_its_way_is_not_ours_to_close() -> None:
    desk = Desk()
    desk.backlog.park_record(UNREADABLE, since_ms=1)
    kept = desk.backlog.set_aside([0], now=1)

    assert not desk.backlog.record_parked(Place(0, 7), UNREADABLE)
    assert (kept[0].unreadable, desk.backlog.load, desk.watermarks) == ([UNREADABLE], 0, {1: 5})


def test_what_is_set_aside_comes_back_whole() -> None:
    desk = Desk()
    desk.event(ANN, 0, 5)
    desk.backlog.park_record(UNREADABLE, since_ms=1)
    desk.backlog.read_to(0, 8)
    desk.event(BO, 1, 9)
    kept = desk.backlog.set_aside([0], now=1)
    assert ([*desk.backlog.schedule.users], desk.watermarks) == ([BO], {1: 10 - 1})

    desk.letters.clear()
    desk.backlog.resume(0, kept[0], now=1.5)
    assert (desk.watermarks, desk.letters, desk.backlog.load) == ({0: 5, 1: 9}, [1], 3)
    assert desk.backlog.record_parked(Place(0, 7), UNREADABLE)
    assert desk.take(2).user == ANN


def test_letters_on_their_way_are_given_up_with_any_partition_and_owed_again() -> None:
    """Their user may be another's by then, and is tried again by whoever has it."""
    desk = Desk()
    desk.event(ANN, 0, 5)
    desk.end(desk.take(2), REFUSED, 3)
    desk.backlog.set_aside([1], now=4)

    assert (desk.backlog.to_park.users, desk.backlog.schedule.counts()["due"], desk.watermarks) == ({}, 1, {0: 5})


def test_a_log_that_begins_anew_closes_what_was_open_and_its_users_stay_due() -> None:
    desk = Desk()
    desk.event(ANN, 0, 5)
    desk.backlog.park_record(UNREADABLE, since_ms=1)
    desk.backlog.restart(0, 2)

    assert (desk.watermarks[0], desk.backlog.to_park.records, [*desk.backlog.schedule.users]) == (2, {}, [ANN])
    desk.end(desk.take(2), DONE, 3)
    assert desk.watermarks[0] == 2
    desk.event(BO, 0, 2)
    desk.backlog.restart(0, 3)
    (orphan,) = desk.backlog.park_orphans(now=4)
    assert (orphan.letters[0].code, [*desk.backlog.to_park.users]) == ("held", [BO])


def test_a_run_that_was_cut_off_leaves_all_as_it_was() -> None:
    desk = Desk()
    desk.event(ANN, 0, 5)
    desk.backlog.abandon(desk.take(2), now=3)

    assert (desk.watermarks[0], desk.take(3).user, len(desk.backlog.to_park)) == (5, ANN, 0)


def test_letters_are_offered_only_while_they_are_ours_to_heal_and_closed_by_the_run() -> None:
    desk = Desk()
    held = OpenLetter(ANN, "contract.1#update", "1001", "11", held=True, partition=1, offset=3, partitions=2, parked_ms=0, read_at=0.0)
    desk.backlog.topic_partitions = 2
    doors: object = desk.doors
    desk.backlog.healing._gates = doors  # type: ignore[assignment]
    assert desk.backlog.healing.read(Place(0, 0), Record(letter=held))
    desk.backlog.offer_letters(now=1)
    assert (len(desk.backlog.schedule), [*desk.backlog.waiting_letters()], [*desk.backlog.due_by_account()]) == (0, [], [])

    desk.backlog.heals = True
    desk.doors.states["1"] = Door.SHUT
    desk.backlog.offer_letters(now=1)
    assert ([*desk.backlog.due_by_account()], len([*desk.backlog.waiting_letters()]), desk.work) == ([("v", A)], 1, [])
    desk.doors.states.clear()
    desk.backlog.offer_letters(now=1)
    assert (len(desk.backlog.schedule), desk.work) == (1, [1])
    desk.end(desk.take(2), DONE, 3)
    assert ([*desk.backlog.to_park.done], desk.letters) == ([Named(Place(0, 0), held.origin)], [1])

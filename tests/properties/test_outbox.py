"""The outbox against an operator that believes what it is told: whatever fails and comes back, in the end it believes what is so."""

from typing import Final, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumer.pod.watch.conditions import Notice
from consumer.pod.watch.outbox import HOUR_S, PER_HOUR, SAME_S, Outbox, Parcel

SUBJECTS: Final = ("a", "b", "c")
CAUSES: Final = ("denied", "breaker")
Fate = Literal["arrives", "refused", "lost", "arrives-unknown"]
"""What becomes of a POST; of the last two the sender can't tell one from the other."""
FATES: Final[tuple[Fate, ...]] = ("arrives", "refused", "lost", "arrives-unknown")


class Machine(RuleBasedStateMachine):
    """Conditions begin and end, POSTs take a while and fail; the operator remembers of each subject what it was told last."""

    def __init__(self) -> None:
        super().__init__()
        self.box, self.now = Outbox(), 0.0
        self.so = dict.fromkeys(SUBJECTS, "")
        """The cause for which a subject stands now; empty: it is well."""
        self.believed = dict.fromkeys(SUBJECTS, "")
        self.may_believe: dict[str, set[str]] = {one: {""} for one in SUBJECTS}
        """What the sender has to reckon with."""
        self.parcel: Parcel | None = None
        self.posts: list[float] = []

    @rule(subject=st.sampled_from(SUBJECTS), cause=st.sampled_from(CAUSES))
    def begins(self, subject: str, cause: str) -> None:
        """Let a subject stand, or stand for another cause."""
        if self.so[subject] != cause:
            self.so[subject] = cause
            self._put(subject, cause, begins=True)

    @rule(subject=st.sampled_from(SUBJECTS))
    def ends(self, subject: str) -> None:
        """Let what stands be well again."""
        if self.so[subject]:
            self.so[subject] = ""
            self._put(subject, "denied", begins=False)

    def _put(self, subject: str, cause: str, *, begins: bool) -> None:
        event = "list-stopped" if begins else "list-runs"
        self.box.put(Notice(event=event, begins=begins, kind="gate", subject=subject, cause=cause, text="", runbook="", since=0.0))

    @rule(seconds=st.sampled_from([1.0, 60.0, SAME_S, HOUR_S]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.parcel is None)
    @rule()
    def take(self) -> None:
        """Begin a POST, if one may."""
        self.parcel = self.box.take(now=self.now)
        if self.parcel is not None:
            self.posts.append(self.now)
            for one in self.parcel.notices:
                said = one.cause if one.begins else ""
                assert self.may_believe[one.subject] != {said}, "what the operator knows is not told again"

    @precondition(lambda self: self.parcel is not None)
    @rule(fate=st.sampled_from(FATES))
    def answered(self, fate: Fate) -> None:
        """End the POST."""
        assert self.parcel is not None
        for one in self.parcel.notices:
            said = one.cause if one.begins else ""
            if fate in {"arrives", "arrives-unknown"}:
                self.believed[one.subject] = said
            if fate == "arrives":
                self.may_believe[one.subject] = {said}
            elif fate != "refused":
                self.may_believe[one.subject] |= {said}
        if fate == "arrives":
            self.box.arrived(self.parcel, now=self.now)
        else:
            self.box.failed(self.parcel, now=self.now, may_have_arrived=fate != "refused")
        self.parcel = None

    @invariant()
    def posts_are_paced(self) -> None:
        """Look at each hour."""
        assert all(last - first >= HOUR_S for first, last in zip(self.posts, self.posts[PER_HOUR:], strict=False))

    def teardown(self) -> None:
        """Let the receiver be well again: the operator is told what is so."""
        if self.parcel is not None:
            self.answered("refused")
        for _ in range(1000):
            at = self.box.next_at(now=self.now)
            if at == float("inf"):
                break
            self.now = at
            self.take()
            self.answered("arrives")
        assert len(self.box) == 0
        assert self.believed == self.so


TestOutbox = Machine.TestCase

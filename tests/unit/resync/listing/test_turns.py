"""A call that fails in passing is tried nine times; one that is refused, once; a refused key, twice."""

from math import inf

from consumer.core.errors import ConsumerError, Denied, Refused, Retryable
from consumer.core.gates.gate import Gate
from consumer.resync.listing.turns import Permit, Turns
from tests.clock import virtual
from tests.raising import raising


class Upstream:
    """It ends each call as told, the last way again and again."""

    def __init__(self, *outcomes: ConsumerError | str) -> None:
        self.outcomes, self.calls, self.renewed = list(outcomes), 0, 0
        gate = Gate(rate_per_s=100, burst=10, run_calls=1, hold_s=inf)
        self.turns = Turns("sesamy:v", gate, renew=self._renew)

    def _renew(self) -> None:
        self.renewed += 1

    async def call(self, _: Permit) -> str:
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, ConsumerError):
            raise outcome
        return outcome


@virtual
async def test_what_fails_in_passing_is_tried_nine_times_and_then_raised() -> None:
    up = Upstream(Retryable("no", code="timeout"))
    with raising(Retryable, "timeout"):
        await up.turns.ask(up.call)
    assert (up.calls, up.renewed) == (9, 0)


@virtual
async def test_what_comes_back_before_is_an_answer() -> None:
    up = Upstream(*[Retryable("no", code="timeout")] * 8, "page")
    assert (await up.turns.ask(up.call), up.calls) == ("page", 9)


@virtual
async def test_what_is_refused_is_raised_at_once() -> None:
    up = Upstream(Refused("no", code="http-403"))
    with raising(Refused, "http-403"):
        await up.turns.ask(up.call)
    assert up.calls == 1


@virtual
async def test_a_key_that_is_refused_is_read_anew_once() -> None:
    up = Upstream(Denied("no", code="http-401"))
    with raising(Denied, "http-401"):
        await up.turns.ask(up.call)
    assert (up.calls, up.renewed) == (2, 2)
    again = Upstream(Denied("no", code="http-401"), "page")
    assert (await again.turns.ask(again.call), again.renewed) == ("page", 1)

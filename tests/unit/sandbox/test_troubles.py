"""A trouble begins and is healed: at the upstream, at the key, at a list, at the consumer; by hand or by itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from consumer.core.errors import Exit, Fatal
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.brokers.unavailable import Unavailable
from consumer.sandbox.session import Local, Options
from consumer.sandbox.town import town
from consumer.sandbox.troubles import BROKER, HEALS_S, KILL, POISON, RECEIVER, Refused, Trouble, Troubles, all_of, no_outage

MEMORY = Broker(kind="memory", bootstrap="127.0.0.1:1", why="")


class Sitting(Local):
    """A sitting whose consumer and broker only say what was done to them."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.done: list[str] = []
        self.fails: list[Exception] = []

    async def start_consumer(self) -> None:
        self.done.append("start")
        if self.fails:
            raise self.fails.pop()

    async def kill_consumer(self) -> None:
        self.done.append("kill")

    async def start_receiver(self) -> None:
        self.done.append("start receiver")

    async def poison(self, *, every: bool = False) -> None:
        self.done.append("poison of every kind" if every else "poison")


class Kafka(Broker):
    """A broker that only says what was done to it."""

    done: list[str]
    fails: bool = False

    async def kill(self) -> None:
        self.done.append("broker away")

    async def start(self) -> None:
        self.done.append("broker back")
        if self.fails:
            raise Unavailable("no")


@asynccontextmanager
async def sitting(folder: Path) -> AsyncIterator[tuple[Troubles, Sitting]]:
    kafka = Kafka(kind="jvm", bootstrap="127.0.0.1:1", why="")
    async with town(folder, readers=2) as here:
        one = Sitting(Options(), here, kafka, folder / "consumer.toml", "http://127.0.0.1:1")
        kafka.done = one.done
        yield Troubles(one), one


@pytest.mark.parametrize("name", ["429", "500", "slow"])
@pytest.mark.parametrize("upstream", ["1001", "sesamy:morgenposten"])
async def test_an_upstream_answers_ill_until_it_is_healed(tmp_path: Path, name: str, upstream: str) -> None:
    async with sitting(tmp_path) as (troubles, one):
        trouble = Trouble(name=name, upstream=upstream)  # type: ignore[arg-type]
        faults = one.here.makeas.faults if upstream == "1001" else one.here.sesamy.faults
        await troubles.begin(trouble)
        await troubles.begin(trouble)

        (fault,) = faults.active
        assert (fault.upstream, fault.status, fault.delay_s) == {
            "429": (upstream.removeprefix("sesamy:"), 429, 1.0),
            "500": (upstream.removeprefix("sesamy:"), 500, 1.0),
            "slow": (upstream.removeprefix("sesamy:"), 500, 5.0),
        }[name]
        await troubles.heal(trouble)
        assert (faults.active, troubles.on) == ([], {})


async def test_a_key_is_refused_until_the_consumer_has_the_new_one(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        here = one.here
        right: dict[str, tuple[Path, Callable[[], str]]] = {
            "1003": (here.key_file("1003"), lambda: here.makeas.accounts["1003"].key),
            "sesamy:kystavisen": (here.secret_file("kystavisen"), lambda: here.sesamy.clients["kystavisen-client"][1]),
        }
        for upstream, (file, key) in right.items():
            trouble = Trouble(name="key", upstream=upstream)
            assert file.read_text().strip() == key()
            await troubles.begin(trouble)
            assert file.read_text().strip() != key()
            await troubles.heal(trouble)
            assert file.read_text().strip() == key()
            assert file.stat().st_mode & 0o077 == 0


async def test_one_list_refuses_and_its_sibling_does_not(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        await troubles.begin(Trouble(name="refuses", upstream="1001/1466"))
        assert one.here.makeas.accounts["1001"].refuses == {"1466": 422}
        await troubles.heal_all()
        assert one.here.makeas.accounts["1001"].refuses == {}


async def test_a_killed_consumer_is_started_again_and_so_is_one_that_ended_by_itself(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        await troubles.begin(KILL)
        assert troubles.on[KILL.key].until < anyio.current_time() + 10
        await troubles.heal(KILL)
        assert (one.done, troubles.on) == (["start"], {}), "it was down already: there is nothing to kill"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(troubles.run)
            while len(one.done) < 3:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert one.done[:3] == ["start", "start", "start receiver"]


async def test_a_killed_receiver_is_started_again_and_the_consumer_is_left_alone(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        await troubles.begin(RECEIVER)
        assert troubles.on[RECEIVER.key].until < anyio.current_time() + 10
        await troubles.heal_all()
        assert (one.done, troubles.on) == (["start receiver"], {})


async def test_a_receiver_stays_down_for_as_long_as_there_is_no_broker(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, _):
        await troubles.begin(RECEIVER)
        await troubles.begin(BROKER)
        later = troubles.on[RECEIVER.key].until + 1
        assert troubles.overdue(now=later) == []
        await troubles.heal(BROKER)
        assert troubles.overdue(now=later) == [RECEIVER]


async def test_a_consumer_that_does_not_get_ready_is_tried_again(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        one.fails.append(Fatal("not ready", code="not-ready", status=Exit.UNAVAILABLE))
        await troubles.begin(KILL)
        await troubles.heal(KILL)
        assert troubles.on[KILL.key].why == "it did not get ready, and is tried again"
        await troubles.heal(KILL)
        assert KILL.key not in troubles.on


async def test_the_broker_comes_back_before_the_consumer(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        await troubles.begin(KILL)
        await troubles.begin(BROKER)
        late = anyio.current_time() + 10
        assert troubles.overdue(now=late) == [], "a consumer does not get ready without a broker"
        await troubles.heal_all()
        assert one.done == ["broker away", "broker back", "start"]
        assert troubles.on == {}


async def test_a_broker_that_does_not_start_is_tried_again(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        assert isinstance(one.kafka, Kafka)
        await troubles.begin(BROKER)
        one.kafka.fails = True
        await troubles.heal(BROKER)
        assert troubles.on[BROKER.key].why == "it did not start, and is tried again"
        one.kafka.fails = False
        await troubles.heal(BROKER)
        assert troubles.on == {}


async def test_nothing_is_written_to_a_broker_that_is_away(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, one):
        await troubles.begin(BROKER)
        with pytest.raises(Refused, match="the broker is away"):
            await troubles.begin(POISON)
        await troubles.heal_all()
        await troubles.begin(POISON)
        assert one.done == ["broker away", "broker back", "poison"]
        assert troubles.on == {}, "a broken record is nothing that could be healed"


async def test_what_nobody_heals_ends_by_itself_and_begins_anew_when_pressed_again(tmp_path: Path) -> None:
    async with sitting(tmp_path) as (troubles, _):
        trouble = Trouble(name="500", upstream="1001")
        await troubles.begin(trouble)
        first = troubles.on[trouble.key]
        assert first.until == first.since + HEALS_S
        assert troubles.overdue(now=first.until - 1) == []
        assert troubles.overdue(now=first.until) == [trouble]
        await troubles.begin(trouble)
        assert troubles.on[trouble.key].since == first.since
        assert troubles.on[trouble.key].until > first.until


def test_a_broker_that_can_not_go_away_has_no_button_and_says_why() -> None:
    assert BROKER.key not in all_of(MEMORY)
    assert no_outage(MEMORY) == "The broker can't go away: one of kind memory can't be stopped and started. Cure: --broker jvm."
    assert {KILL.key, POISON.key, "refuses@1001/1466", "key@sesamy:kystavisen", "slow@1002"} <= all_of(MEMORY).keys()

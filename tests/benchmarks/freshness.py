"""
From an event to the last list, on the real clock: a pod as a process, a real Kafka, stand-ins of 20 ms, and the documented limits.

Idle: one event a second, each of another reader whose contact has changed. What is told is the time beyond `quiet_s` and what the
servers took: the slowest of three at Sesamy, then the contact read, the contact written, and the subscriptions. Behind a backlog: 10,000
readers are due at Sesamy's 100 requests a minute, and its burst is spent; then one reader after another pays. What is told is the time from
the event to the first write, beyond `quiet_s`. (There Make.as takes 50 requests a second, or its limit would bound the work, not Sesamy's.)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from consumer.settings.model import DebounceSettings
from tests.benchmarks.goals import Figure
from tests.benchmarks.pod import Called, Publisher, running, times
from tests.benchmarks.quick import CHANGED
from tests.benchmarks.resyncs import serving
from tests.history.invariants import percentile

_PARTITIONS: Final = 4
_QUIET_S: Final = DebounceSettings().quiet_s
_IDLE_EVENTS, _EVERY_S = 100, 1.0
_BEHIND, _BURST, _FETCH = 10_000, 200, 3
_PURCHASES, _APART_S = 9, 5.0
_SESAMY: Final = ("profile", "contracts", "entitlements")
_WRITES: Final = ("upsert", "products", "subscriptions")
_P50_MS, _P99_MS, _FIRST_S = 8.0, 20.0, 3.0


async def main(rounds: int = 1) -> Sequence[Figure]:
    figures: list[Figure] = []
    with TemporaryDirectory() as name:
        async with broker("jvm", report=lambda _: None) as kafka:
            for number in range(rounds):
                lags = await _idle(Path(name), kafka.bootstrap, f"idle-{number}")
                p50, p99 = percentile(lags, 0.5) * 1000, percentile(lags, 0.99) * 1000
                print(f"  idle: {p50:.1f} ms at the middle, {p99:.1f} ms at the 99th percentile, of {len(lags)} events")
                firsts = await _behind(Path(name), kafka.bootstrap, f"behind-{number}")
                behind = f"a purchase behind {_BEHIND:,}"
                print(f"  {behind}: first write after {median(firsts):.2f} s, at most {max(firsts):.2f} s, of {len(firsts)}")
                figures += [
                    Figure(name="event -> last list, idle, p50", goal=_P50_MS, got=p50, unit="ms", digits=1),
                    Figure(name="event -> last list, idle, p99", goal=_P99_MS, got=p99, unit="ms", digits=1),
                    Figure(name=f"{behind}: first write, at most", goal=_FIRST_S, got=max(firsts), unit="s"),
                ]
    return figures


def _upstreams(url: str, *, more: str = "") -> str:
    here = f"{url}/{CHANGED}"
    return f'[sesamy]\nbase_url = "{here}"\ntoken_url = "{here}/oauth/token"\n[makeas]\nbase_url = "{here}/make"\n{more}'


async def _idle(folder: Path, bootstrap: str, topic: str) -> list[float]:
    await create_topic(bootstrap, topic, partitions=_PARTITIONS)
    async with (
        serving("tests.benchmarks.quick", "--times") as url,
        running(1, folder, bootstrap=bootstrap, topic=topic, more=_upstreams(url)) as (pod,),
    ):
        await pod.ready(_PARTITIONS)
        publisher, sent = Publisher(bootstrap, topic), dict[str, float]()
        publisher.send([("u999999", 0)], "contract.1#update")  # The first one waits for the token and the registers, once in a pod's life.
        await anyio.sleep(_QUIET_S + 2)
        for number in range(_IDLE_EVENTS):
            user = f"u{number}"
            sent[user] = publisher.send([(user, number % _PARTITIONS)], "contract.1#update")
            await anyio.sleep(_EVERY_S)
        await anyio.sleep(_QUIET_S + 1)
        seen = await times(url)
    return [lag_s(seen[user], at) - _QUIET_S for user, at in sent.items()]


def lag_s(calls: Sequence[Called], sent_at: float) -> float:
    """Return the time from an event to its reader's last list, less what the servers took one after the other (s)."""
    took = {kind: [answered - came for one, came, answered in calls if one == kind] for kind in {call[0] for call in calls}}
    # Accounts go side by side, and one of them is the last: so no more is taken off than the quickest answer of each kind.
    servers = max(one for kind in _SESAMY for one in took[kind])
    servers += sum(min(took[kind]) for kind in ("by_email", "upsert", "subscriptions") if kind in took)
    return max(answered for _, _, answered in calls) - sent_at - servers


async def _behind(folder: Path, bootstrap: str, topic: str) -> list[float]:
    await create_topic(bootstrap, topic, partitions=_PARTITIONS)
    limits = "requests_per_second = 50.0\nburst = 50\n"
    async with (
        serving("tests.benchmarks.quick", "--times") as url,
        running(1, folder, bootstrap=bootstrap, topic=topic, more=_upstreams(url, more=limits)) as (pod,),
    ):
        await pod.ready(_PARTITIONS)
        publisher = Publisher(bootstrap, topic)
        publisher.send(((f"u{number}", number % _PARTITIONS) for number in range(_BEHIND)), "contract.1#update")
        with anyio.fail_after(120):
            while len(await times(url)) < _BURST // _FETCH:
                await anyio.sleep(1)
        await anyio.sleep(_APART_S)
        assert await pod.dirty() > _BEHIND // 2
        sent = {}
        for number in range(_PURCHASES):
            user = f"u{_BEHIND + number}"
            sent[user] = publisher.send([(user, number % _PARTITIONS)], "contract.1#purchased")
            await anyio.sleep(_APART_S)
        await anyio.sleep(_QUIET_S + 2 * _FIRST_S)
        return firsts_s(await times(url), sent)


def firsts_s(seen: Mapping[str, Sequence[Called]], sent: Mapping[str, float]) -> list[float]:
    """Return the time from each event to the first write that came of its reader, beyond `quiet_s`; infinite: none came (s)."""
    firsts = {user: min((came for kind, came, _ in seen.get(user, ()) if kind in _WRITES), default=float("inf")) for user in sent}
    return [firsts[user] - at - _QUIET_S for user, at in sent.items()]

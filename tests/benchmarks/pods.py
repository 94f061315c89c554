"""
1, 2 and 4 pods as processes, on a real Kafka and slow stand-ins: how much faster more pods are where nothing but waiting bounds them.

No upstream's limit is met, and each pod has 32 workers and 640 readers of its own: 20 a worker, each with four answers one after the other.
An answer takes 500 ms, give or take a half: where all took the same, the workers of all pods would go on in step, and wait in bursts for
the few cores that there are. What is told is users a second in the middle half of the time, and the share of a core that a pod took.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import anyio

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from tests.benchmarks.goals import Figure
from tests.benchmarks.pod import Called, Publisher, running, times
from tests.benchmarks.quick import CHANGED
from tests.benchmarks.resyncs import serving
from tests.benchmarks.servers import unlimited

_COUNTS: Final = (1, 2, 4)
_PARTITIONS: Final = 12
_WORKERS, _EACH = 32, 20
_SLOW: Final = ("--delay-s", "0.5", "--spread", "0.5")
_LIMIT_S: Final = 300.0
_GOAL: Final = 3.9


class Ran(NamedTuple):
    """What some pods did."""

    rate: float
    """Users a second, of all."""
    cores: float
    """Of the busiest pod."""


async def main(rounds: int = 1) -> Sequence[Figure]:
    ran: dict[int, list[Ran]] = {count: [] for count in _COUNTS}
    with TemporaryDirectory() as name:
        async with broker("jvm", report=lambda _: None) as kafka:
            for number in range(rounds):
                for count in _COUNTS if number % 2 == 0 else reversed(_COUNTS):
                    ran[count].append(await _run(count, Path(name), kafka.bootstrap, f"pods-{number}-{count}"))
    for count, all_ in ran.items():
        rate, cores = median(one.rate for one in all_), max(one.cores for one in all_)
        name = f"{count} {'pod: ' if count == 1 else 'pods:'}"
        print(f"  {name} {rate:5.1f} users/s, x {_ratio(ran, count):.2f}; at most {cores:.2f} cores a pod")
    return [Figure(name="4 pods beside 1, answers of 500 ms", goal=_GOAL, got=_ratio(ran, _COUNTS[-1]), unit="x", is_best="most")]


def _ratio(ran: dict[int, list[Ran]], count: int) -> float:
    return median(more.rate / one.rate for more, one in zip(ran[count], ran[1], strict=True))


async def _run(count: int, folder: Path, bootstrap: str, topic: str) -> Ran:
    await create_topic(bootstrap, topic, partitions=_PARTITIONS)
    users = count * _WORKERS * _EACH
    async with serving("tests.benchmarks.quick", "--times", *_SLOW) as url:
        more = f"[workers]\nconcurrency = {_WORKERS}\n{unlimited(f'{url}/{CHANGED}')}"
        async with running(count, folder, bootstrap=bootstrap, topic=topic, more=more) as pods:
            for pod in pods:
                await pod.ready(_PARTITIONS // count)
            before = [pod.cpu_s for pod in pods]
            Publisher(bootstrap, topic).send(((f"u{number}", number % _PARTITIONS) for number in range(users)), "contract.1#update")
            with anyio.fail_after(_LIMIT_S):
                while len(await times(url)) < users or any([await pod.dirty() for pod in pods]):
                    await anyio.sleep(1)
            seen = await times(url)
            took_s = max(call[2] for calls in seen.values() for call in calls) - min(call[1] for calls in seen.values() for call in calls)
            return Ran(middle_rate(seen), max(pod.cpu_s - was for pod, was in zip(pods, before, strict=True)) / took_s)


def middle_rate(seen: Mapping[str, Sequence[Called]]) -> float:
    """Return how many readers a second had their last answer in the middle half of the time, when all workers had something to do."""
    first = min(came for calls in seen.values() for _, came, _ in calls)
    ends = [max(answered for _, _, answered in calls) for calls in seen.values()]
    quarter_s = (max(ends) - first) / 4
    return sum(first + quarter_s < end <= first + 3 * quarter_s for end in ends) / (2 * quarter_s)

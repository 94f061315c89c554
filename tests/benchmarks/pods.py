"""
1, 2 and 4 pods as processes, on a real Kafka and stand-ins of 500 ms: how much faster more pods are where nothing but waiting bounds them.

No upstream's limit is met, and each pod has 32 workers and 640 readers of its own: 20 at a worker, each with four answers one after the
other. What is told is users a second, from the first call to the last answer, and the share of a core that a pod took meanwhile.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import anyio

from consumer.sandbox.brokers.broker import broker
from consumer.sandbox.brokers.topics import create_topic
from tests.benchmarks.goals import Figure
from tests.benchmarks.pod import Publisher, running, times
from tests.benchmarks.quick import CHANGED
from tests.benchmarks.resyncs import serving
from tests.benchmarks.servers import unlimited

_COUNTS: Final = (1, 2, 4)
_PARTITIONS: Final = 12
_WORKERS, _EACH = 32, 20
_DELAY_S: Final = "0.5"
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
        rate, ratio = median(one.rate for one in all_), _ratio(ran, count)
        print(f"  {count} pods: {rate:5.1f} users/s, x {ratio:.2f}; at most {max(one.cores for one in all_):.2f} cores a pod")
    return [Figure(name="4 pods beside 1, servers at 500 ms", goal=_GOAL, got=_ratio(ran, _COUNTS[-1]), unit="x", is_best="most")]


def _ratio(ran: dict[int, list[Ran]], count: int) -> float:
    return median(more.rate / one.rate for more, one in zip(ran[count], ran[1], strict=True))


async def _run(count: int, folder: Path, bootstrap: str, topic: str) -> Ran:
    await create_topic(bootstrap, topic, partitions=_PARTITIONS)
    users = count * _WORKERS * _EACH
    async with serving("tests.benchmarks.quick", "--times", "--delay-s", _DELAY_S) as url:
        more = f"[workers]\nconcurrency = {_WORKERS}\n{unlimited(f'{url}/{CHANGED}')}"
        async with running(count, folder, bootstrap=bootstrap, topic=topic, more=more) as pods:
            for pod in pods:
                await pod.ready(_PARTITIONS // count)
            before = [pod.cpu_s for pod in pods]
            Publisher(bootstrap, topic).send(((f"u{number}", number % _PARTITIONS) for number in range(users)), "contract.1#update")
            with anyio.fail_after(_LIMIT_S):
                while len(await times(url)) < users or any([await pod.dirty() for pod in pods]):
                    await anyio.sleep(1)
            calls = [call for of in (await times(url)).values() for call in of]
            took_s = max(answered for _, _, answered in calls) - min(came for _, came, _ in calls)
            return Ran(users / took_s, max(pod.cpu_s - was for pod, was in zip(pods, before, strict=True)) / took_s)

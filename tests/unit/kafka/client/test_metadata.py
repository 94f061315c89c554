"""What is added to aiokafka's client: a pause between refreshes of metadata."""

import asyncio
from typing import Any

import aiokafka.client
from aiokafka.protocol.metadata import MetadataRequest_v5

from consumer.kafka.client.metadata import pace
from tests.clock import new_loop


class Client:
    """Refreshes whenever it is asked, and says when that was."""

    def __init__(self) -> None:
        self.refreshed_at: list[float] = []

    async def _metadata_update(self, cluster: object, topics: object) -> bool:
        self.refreshed_at.append(asyncio.get_running_loop().time())
        return (cluster, topics) == (1, 2)


def test_half_a_second_passes_between_two_refreshes_and_the_first_is_at_once() -> None:
    """A fetcher without its topic asks for the next as soon as it has the last."""

    async def run() -> tuple[list[float], float]:
        client: Any = Client()
        pace(client)
        for _ in range(4):
            assert await client._metadata_update(1, 2)
        await asyncio.sleep(60)
        before = asyncio.get_running_loop().time()
        assert await client._metadata_update(1, 2)
        return client.refreshed_at, before

    with asyncio.Runner(loop_factory=new_loop) as runner:
        refreshed_at, before = runner.run(run())

    assert [round(at - refreshed_at[0], 3) for at in refreshed_at[:4]] == [0, 0.5, 1.0, 1.5]
    assert refreshed_at[4] == before


def test_no_topic_is_made_by_asking_about_it() -> None:
    """As every client of aiokafka asks."""
    made = aiokafka.client.MetadataRequest(["events"]).build(MetadataRequest_v5)
    assert (made.topics, made.allow_auto_topic_creation) == (["events"], False)

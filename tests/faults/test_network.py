"""The network between the pods and Kafka goes wrong; publishers have a way of their own, so that events come all the time."""

import time
from pathlib import Path

import anyio

from consumer.sandbox.stand_ins.faults import Fault
from tests.faults.kafkas import behind_proxy, comes_true, generation, said, writes
from tests.faults.matrix import end, play, row
from tests.faults.proxy import Proxy
from tests.faults.told import counted

_COMMIT = 8
"""Kafka's number of the request that commits. Format: 4 bytes of length, then the number in 2."""
_A_VALUE = b'"occured_at"'
"""Stands in the value of every event."""
_MANY = 6


@row("F04", "Kafka's connections are reset", "a RST of all, in the middle of a commit, of the answer to one, and of a batch, in turn")
async def test_connections_are_reset_in_the_middle(tmp_path: Path) -> None:
    """What became of a commit is not known then; it is made again, and never passes what is not done."""
    async with behind_proxy(tmp_path) as (scene, (_, proxy, _)):
        cuts: list[str] = []

        def half_a_commit(body: bytes) -> bytes:
            if body[4:6] == _COMMIT.to_bytes(2, "big"):
                cuts.append("commit")
                proxy.up.meddle, proxy.up.reset_after = None, len(body) // 2
            return body

        def half_an_answer(body: bytes) -> bytes:
            if body[4:6] == _COMMIT.to_bytes(2, "big"):
                cuts.append("answer")
                proxy.up.meddle, proxy.down.reset_after = None, 5
            return body

        def half_a_batch(body: bytes) -> bytes:
            if _A_VALUE in body:
                cuts.append("batch")
                proxy.down.meddle, proxy.down.reset_after = None, body.index(_A_VALUE)
            return body

        async def is_cut(after: int) -> None:
            await comes_true(lambda: proxy.resets > after, what=f"a cut after {cuts}")

        async def trouble() -> None:
            for number in range(6):
                before = proxy.resets
                match number % 3:
                    case 0:
                        proxy.up.meddle = half_a_commit
                    case 1:
                        proxy.up.meddle = half_an_answer
                    case _:
                        proxy.down.meddle = half_a_batch
                await is_cut(before)
            await proxy.heal()

        await play(scene, "F04", trouble)

        assert cuts == ["commit", "answer", "batch"] * 2
        assert len(scene.alive) == 2


@row("F05", "Kafka is a black hole", "a proxy swallows every byte, both ways, for 20 s; the session lasts 6 s")
async def test_kafka_is_a_black_hole(tmp_path: Path) -> None:
    """Who hears nothing for a session writes nothing more, since its partitions may be another's."""
    async with behind_proxy(tmp_path) as (scene, (_, proxy, _)):
        silent = 0

        async def trouble() -> None:
            nonlocal silent
            before = await generation(scene)
            await scene.touch_all()
            # Runs that have begun take 9 s until they write: longer than the session.
            scene.town.sesamy.faults.add(Fault(kind="delay", op="user", delay_s=4.5))
            scene.town.makeas.faults.add(Fault(kind="delay", op="contact", delay_s=4.5))
            await comes_true(lambda: scene.town.sesamy.faults.seen > 10, what="runs have begun")
            proxy.up.black_hole()
            proxy.down.black_hole()
            hole_at = time.time()
            await anyio.sleep(20)
            healed_at = time.time()
            await proxy.heal()
            for faults in (scene.town.sesamy.faults, scene.town.makeas.faults):
                faults.clear()
            silent = writes(scene, since=hole_at + scene.session_s + 0.5, before=healed_at)
            await generation(scene, after=before)

        await play(scene, "F05", trouble)

        assert proxy.up.lost > 0
        assert silent == 0
        assert await counted(scene, "resyncs", outcome="cut_off") > 0
        assert said(scene, "commit failed") == 2
        assert len(scene.alive) == 2


@row("F06", "Kafka is slow", "2 s there and back with 1 s of jitter, 64 KB/s each way, for 25 s; the session lasts 30 s, as by default")
async def test_kafka_is_slow(tmp_path: Path) -> None:
    """Nobody is taken for dead, and events go on being written."""
    async with behind_proxy(tmp_path) as (scene, (_, proxy, _)):
        scene.session_s = 30.0
        generations: list[int] = []
        slow: list[float] = []

        async def trouble() -> None:
            generations.append(await generation(scene))
            before = await counted(scene, "commits", result="ok")
            make_slow(proxy, one_way_s=1.0, jitter_s=0.5)
            proxy.up.bytes_per_s = proxy.down.bytes_per_s = 64 * 1024
            slow.append(time.time())
            await anyio.sleep(25)
            slow.append(time.time())
            generations.append(await generation(scene))
            assert await counted(scene, "commits", result="ok") > before
            await proxy.heal()

        await play(scene, "F06", trouble)

        generations.append(await generation(scene))
        assert len(set(generations)) == 1, generations
        assert writes(scene, since=slow[0] + 10, before=slow[1]) > 20
        assert proxy.resets == 0


@row("X03", "the group is far away", "0.4 s there and back with 0.2 s of jitter, from the start to the end; one pod more comes, one stops")
async def test_the_group_is_far_away(tmp_path: Path) -> None:
    """It joins, hands over, commits and stops, and is at rest in between."""
    async with behind_proxy(tmp_path) as (scene, (_, proxy, _)):
        make_slow(proxy, one_way_s=0.2, jitter_s=0.1)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(scene.pod().start)
        await scene.touch_all()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: scene.load(per_s=10.0))
            tasks.start_soon(scene.watch)
            two = await generation(scene)
            await scene.pod().start()
            three = await generation(scene, after=two)
            await anyio.sleep(10)
            assert await generation(scene) == three
            assert await scene.alive[0].stop() == 0
            left = await generation(scene, after=three)
            await anyio.sleep(5)
            assert await generation(scene) == left
            scene.heal()
            tasks.cancel_scope.cancel()
        await scene.settle()
        assert await generation(scene) == left
        assert proxy.resets == 0
        await proxy.heal()
        await end(scene, "X03")


@row(
    "F09",
    "batches arrive damaged",
    "five times a proxy changes a byte of one batch, in the midst of the many that came while it held them for 2 s",
)
async def test_batches_arrive_damaged(tmp_path: Path) -> None:
    """Their checksums tell; they are read again, and what lay beside them is lost neither."""
    async with behind_proxy(tmp_path) as (scene, (_, proxy, _)):
        flipped = 0

        def flip(body: bytes) -> bytes:
            nonlocal flipped
            places = [at for at in range(len(body)) if body.startswith(_A_VALUE, at)]
            if len(places) < _MANY:
                return body
            flipped += 1
            proxy.down.meddle = None
            place = scene.chance.choice(places) + 2
            return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]

        async def is_met(after: int) -> None:
            await comes_true(lambda: flipped > after, what="a batch is damaged")

        async def trouble() -> None:
            for number in range(5):
                proxy.down.stall()
                await anyio.sleep(2)
                proxy.down.go()
                proxy.down.meddle = flip
                await is_met(number)

        await play(scene, "F09", trouble, per_s=6.0)

        assert flipped == 5
        assert await counted(scene, "fetch_errors") >= flipped
        assert said(scene, "fetch failed") > 0


def make_slow(proxy: Proxy, *, one_way_s: float, jitter_s: float) -> None:
    """Let everything take its time, each way."""
    for flow in (proxy.up, proxy.down):
        flow.latency_s, flow.jitter_s = one_way_s, jitter_s

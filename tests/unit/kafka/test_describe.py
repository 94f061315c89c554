"""What one connection asks Kafka about our rights, and what it makes of the answers."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
)

from consumer.kafka.describe import READ, WRITE, Described, Rights
from tests.clock import virtual

NOT_SAID = -(2**31)


class Connection:
    """Answers as it is told: one answer or error after the other, the last for ever."""

    def __init__(self, *answers: Any, coordinator: list[Exception] | None = None) -> None:
        self._answers, self._coordinator = [*answers], coordinator or []
        self.looked_up_at: list[float] = []
        self.asked: list[tuple[int, Any]] = []

    def get_random_node(self) -> int:
        return 3

    async def coordinator_lookup(self, kind: int, name: str) -> int:
        assert (kind, name) == (0, "g")
        self.looked_up_at.append(anyio.current_time())
        if self._coordinator:
            raise self._coordinator[0] if len(self._coordinator) == 1 else self._coordinator.pop(0)
        return 7

    async def send(self, node: int, request: Any) -> Any:
        self.asked.append((node, request))
        return self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)


def of_group(code: int, may: int, *, kind: str = "consumer", assignor: str = "sticky", members: int = 0) -> Any:
    state = "Stable" if assignor else "PreparingRebalance"
    return SimpleNamespace(groups=[(code, "g", state, kind, assignor, [("m", "c", "h", b"", b"")] * members, may)])


def rights(connection: Connection) -> Rights:
    made: Any = connection
    return Rights(made)


@pytest.mark.parametrize(("bits", "may"), [(1 << READ | 1 << WRITE, {READ, WRITE}), (1 << 8, {8}), (0, set()), (NOT_SAID, None)])
async def test_bits_are_operations_and_silence_is_not_a_ban(bits: int, may: set[int] | None) -> None:
    connection = Connection(SimpleNamespace(topics=[(0, "t", False, [1, 2], bits), (29, "u", False, [], NOT_SAID)]))

    assert await rights(connection).topics(["t", "u"]) == {
        "t": Described(partitions=2, may=None if may is None else frozenset(may)),
        "u": Described(error="TopicAuthorizationFailedError"),
    }
    assert TopicAuthorizationFailedError.errno == 29
    topics, creates, *_, tells_rights = connection.asked[0][1].build(lambda *fields: fields)
    assert (topics, creates, tells_rights) == (["t", "u"], False, True)


def test_what_the_broker_does_not_say_is_not_lacking() -> None:
    assert (READ, WRITE) == (3, 4)
    assert not Described().lacks(READ)
    assert Described(may=frozenset({WRITE})).lacks(READ)
    assert not Described(may=frozenset({READ})).lacks(READ)


async def test_the_group_is_asked_about_at_its_coordinator() -> None:
    connection = Connection(of_group(0, 1 << READ))

    assert await rights(connection).group("g") == Described(may=frozenset({READ}))
    assert [node for node, _ in connection.asked] == [7]


@virtual
async def test_a_young_cluster_gets_five_seconds_to_find_a_coordinator() -> None:
    connection = Connection(of_group(0, NOT_SAID), coordinator=[GroupCoordinatorNotAvailableError()])

    assert (await rights(connection).group("g")).error == "GroupCoordinatorNotAvailableError"
    assert len(connection.looked_up_at) == 10
    assert connection.looked_up_at[-1] - connection.looked_up_at[0] == pytest.approx(4.5)


@virtual
async def test_a_coordinator_that_moves_is_looked_up_again() -> None:
    connection = Connection(of_group(NotCoordinatorForGroupError.errno, NOT_SAID), of_group(0, 1 << READ))

    assert await rights(connection).group("g") == Described(may=frozenset({READ}))
    assert len(connection.looked_up_at) == 2


@virtual
async def test_a_group_that_is_kept_from_us_is_not_asked_for_again() -> None:
    connection = Connection(coordinator=[GroupAuthorizationFailedError()])

    assert await rights(connection).group("g") == Described(error="GroupAuthorizationFailedError")
    assert len(connection.looked_up_at) == 1


@pytest.mark.parametrize(
    ("kind", "assignor", "members", "taken"),
    [
        ("consumer", "sticky", 2, False),
        ("consumer", "range", 1, True),
        ("connect", "sessioned", 1, True),
        ("connect", "", 1, True),
        ("consumer", "", 1, None),
        ("consumer", "range", 0, False),
        ("connect", "", 0, False),
        ("", "", 0, False),
    ],
)
async def test_a_group_is_taken_where_members_of_it_share_in_another_way(
    kind: str, assignor: str, members: int, taken: bool | None
) -> None:
    connection = Connection(of_group(0, 1 << READ, kind=kind, assignor=assignor, members=members))

    assert (await rights(connection).group("g")).is_taken is taken
    assert len(connection.asked) == 1


@virtual
async def test_how_a_group_is_shared_is_asked_again_while_its_members_rejoin() -> None:
    connection = Connection(of_group(0, NOT_SAID, assignor="", members=1), of_group(0, NOT_SAID, assignor="range", members=1))
    for_ever = Connection(of_group(0, NOT_SAID, assignor="", members=1))

    assert (await rights(connection).group("g", settled=True)).is_taken is True
    assert (await rights(for_ever).group("g", settled=True)).is_taken is None
    assert len(for_ever.asked) == 10


async def test_a_configuration_that_we_may_not_read_is_none() -> None:
    entries = [("retention.ms", "5", False, True, False), ("cleanup.policy", "delete", False, True, False)]
    denied = Connection(SimpleNamespace(resources=[(29, "no", 2, "t", [])]))
    shown = Connection(SimpleNamespace(resources=[(0, "", 2, "t", entries)]))

    assert await rights(denied).configuration("t") is None
    assert await rights(shown).configuration("t") == {"retention.ms": "5", "cleanup.policy": "delete"}


async def test_brokers_that_can_not_be_connected_are_named_by_the_address_they_give() -> None:
    class Client:
        cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=one, host=f"b{one}", port=9092) for one in range(3)])

        async def ready(self, node: int) -> bool:
            return node == 1

    assert await Rights(Client()).silent() == ("b0:9092", "b2:9092")  # type: ignore[arg-type]

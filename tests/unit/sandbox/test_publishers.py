"""The publishers' readers are the same for one seed, of all shapes, and the consumer reads them as the referee does."""

import json
import random

import msgspec
import pytest

from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.mapping import documents as mapping
from consumer.core.mapping.documents import Documents, Skip
from consumer.core.model import UserKey
from consumer.sandbox.oracle import wanted
from consumer.sandbox.publishers import crowd, happen, poison, populate
from consumer.sandbox.stand_ins.sesamy import Sesamy


def publisher(seed: int, readers: int = 200) -> Sesamy:
    sesamy = Sesamy()
    sesamy.add_vendor("v", client_id="c", secret="s")
    populate(sesamy, "v", readers, random.Random(seed))
    return sesamy


def test_a_seed_gives_the_same_readers_and_the_same_events() -> None:
    first, second, other = publisher(1), publisher(1), publisher(2)
    user = next(iter(first.users["v"]))
    assert happen(first, "v", user, random.Random(3)) == happen(second, "v", user, random.Random(3))
    assert first.users == second.users
    assert first.users != other.users


def test_readers_come_in_all_shapes() -> None:
    readers = publisher(1).users["v"]
    contracts = [contract for one in readers.values() for contract in one["contracts"]]
    assert any(user.startswith("guest|") for user in readers)
    assert any("email" not in one["profile"] for one in readers.values())
    assert any("company" in one["profile"] for one in readers.values())
    assert any(one["profile"]["tags"] for one in readers.values())
    assert {len(one["contracts"]) for one in readers.values()} == {0, 1, 2, 3}
    assert {"active", "cancelled", "canceled", "expired", "overdue", "pending"} == {one["status"].lower() for one in contracts}
    assert {len(one["items"]) for one in contracts} == {0, 1, 2}
    origins = {one["origin"]["type"] for user in readers.values() for one in user["entitlements"]}
    assert origins == {"PAYMENTS", "EXTERNAL"}


def test_events_are_written_as_documented() -> None:
    sesamy = publisher(1)
    chance = random.Random(5)
    for user in sesamy.users["v"]:
        for message in happen(sesamy, "v", user, chance):
            assert message.value is not None
            event = json.loads(message.value)
            assert set(event) == {"eventType", "vendorId", "userId", "occured_at"}
            assert (message.key, event["userId"]) == (f"v|{user}".encode(), user)


def test_poison_is_of_many_kinds() -> None:
    values = [one.value for one in poison()]
    assert len(set(values)) == len(values) > 10


@pytest.mark.parametrize("seed", range(5))
def test_the_mapping_and_the_referee_agree_on_every_reader(seed: int) -> None:
    sesamy = publisher(seed)
    chance = random.Random(seed)
    for user in list(sesamy.users["v"]):
        happen(sesamy, "v", user, chance)
        one = sesamy.users["v"][user]
        snapshot = Snapshot(
            user=UserKey("v", user),
            profile=msgspec.convert(one["profile"], Profile),
            contracts=tuple(msgspec.convert(one["contracts"], list[Contract])),
            entitlements=tuple(msgspec.convert(one["entitlements"], list[Entitlement])),
        )
        found, want = mapping.documents(snapshot), wanted(user, one)
        assert isinstance(found, Skip) is (want is None)
        if want is None:
            continue
        assert isinstance(found, Documents)
        assert set(found.tags) == want["tags"]
        assert {row.external_id: row.name for row in found.products} == want["products"]
        rows = [{name: value for name, value in msgspec.to_builtins(row).items() if value is not None} for row in found.subscriptions]
        assert {row["external_id"]: {"email": want["email"], **row} for row in rows} == want["subscriptions"]


def test_a_crowd_has_so_many_contracts_and_entitlements_and_all_of_it_is_written() -> None:
    sesamy = Sesamy()
    sesamy.add_vendor("v", client_id="c", secret="s")
    crowd(sesamy, "v", 1_000, random.Random(1))
    readers = sesamy.users["v"]
    ids = [row["id"] for one in readers.values() for resource in ("contracts", "entitlements") for row in one[resource]]
    assert [len(readers), *(sum(len(one[name]) for one in readers.values()) for name in ("contracts", "entitlements"))] == [
        1_000,
        1_300,
        2_000,
    ]
    assert len(set(ids)) == 3_300
    assert all(wanted(user, one) is not None for user, one in readers.items())
    assert len({one["profile"]["email"] for one in readers.values()}) == 1_000
    assert len({id(one["profile"]["tags"]) for one in readers.values()}) == 1_000

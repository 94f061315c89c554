"""What `check --online` makes of the answers it gets."""

from collections.abc import Awaitable, Callable
from typing import Final, cast

import pytest

from consumer.commands.check import online as module
from consumer.commands.check.online import _filters, _list, _sesamy, online
from consumer.core.errors import ConsumerError, Denied, Forbidden, Held, Refused, Retryable
from consumer.core.model import UserKey
from consumer.kafka.rights import Purpose
from consumer.resync.makeas import MakeAs
from consumer.resync.sesamy import Sesamy
from consumer.settings.findings import Finding, fine
from consumer.settings.model import KafkaSettings, Settings
from tests.generated.metrics_table import one_of_each
from tests.unit.core.gates.test_gate import gate


def brief(finding: Finding) -> tuple[str, int]:
    assert (finding.cure != "") == (finding.level != "fine")
    return finding.level, finding.status


class Upstream:
    """Stands where a client of Sesamy or Make.as could: gives or raises one answer, and keeps what was asked."""

    def __init__(self, answer: ConsumerError | None) -> None:
        self.answer = answer
        self.asked: list[object] = []

    async def snapshot(self, user: UserKey, *, permit: Callable[[], Awaitable[None]]) -> None:
        await permit()
        self._tell(user)

    async def list_title(self, list_id: str) -> str:
        self._tell(list_id)
        return "News"

    def _tell(self, asked: object) -> None:
        self.asked.append(asked)
        if self.answer is not None:
            raise self.answer


_ANSWERS: Final = (
    (None, ("fine", 0), ("fine", 0)),
    (Refused("no", code="http-400"), ("fine", 0), ("error", 78)),
    (Denied("no", code="http-401"), ("error", 77), ("error", 77)),
    (Forbidden("no", code="http-403"), ("error", 77), ("error", 77)),
    (Retryable("no", code="timeout"), ("error", 69), ("error", 69)),
    (Held("no", code="gate"), ("error", 69), ("error", 69)),
)


@pytest.mark.parametrize(("answer", "sesamy", "makeas"), _ANSWERS)
async def test_an_upstream(answer: ConsumerError | None, sesamy: tuple[str, int], makeas: tuple[str, int]) -> None:
    client, other = Upstream(answer), Upstream(answer)

    assert brief(await _sesamy("vendors[0].sesamy", client=cast(Sesamy, client), vendor="v", heed=gate(rate=5).heed)) == sesamy
    assert brief(await _list("vendors[0].makeas[0]", client=cast(MakeAs, other), list_id="7")) == makeas
    assert (client.asked, other.asked) == ([UserKey("v", "sesamy-makeas-check")], ["7"])


@pytest.mark.parametrize(("purpose", "asks_others"), [("receive", False), ("replay", True)])
async def test_for_a_receiver_kafka_alone_is_asked(monkeypatch: pytest.MonkeyPatch, purpose: Purpose, asks_others: bool) -> None:
    """It has no key of Sesamy or Make.as, and no way to them; whatever else reads the topic has both."""
    others: list[Settings] = []

    async def kafka(_: KafkaSettings, asked_for: Purpose) -> list[Finding]:
        assert asked_for == purpose
        return [fine("kafka.topic", "there")]

    async def ask(settings: Settings, _: list[Finding]) -> None:
        others.append(settings)

    monkeypatch.setattr(module, "findings", kafka)
    monkeypatch.setattr(module, "_upstreams", ask)
    found = await online(one_of_each(), purpose)

    assert ([one.path for one in found], bool(others)) == (["kafka.topic"], asks_others)


class Filtering:
    """Stands where a client of Sesamy could: says of each resource whether it is filtered, or raises."""

    def __init__(self, ignored: set[str], error: ConsumerError | None = None) -> None:
        self.ignored, self.error = ignored, error
        self.asked: list[tuple[str, str]] = []

    async def obeys_filter(self, resource: str, user_id: str, *, permit: Callable[[], Awaitable[None]]) -> bool:
        await permit()
        self.asked.append((resource, user_id))
        if self.error is not None:
            raise self.error
        return resource not in self.ignored


@pytest.mark.parametrize(
    ("ignored", "level", "status"), [((), "fine", 0), (("contracts",), "error", 69), (("entitlements",), "error", 69)], ids=str
)
async def test_a_vendor_that_gives_rows_of_others_is_an_error(ignored: tuple[str, ...], level: str, status: int) -> None:
    """Both are asked, each for a user that can't be."""
    client = Filtering({*ignored})
    finding = await _filters("vendors[0].sesamy, whose rows", client=cast(Sesamy, client))

    assert brief(finding) == (level, status)
    assert all(one in finding.what for one in ignored)
    assert [resource for resource, _ in client.asked] == ["contracts", "entitlements"]
    assert len({user for _, user in client.asked}) == 1


async def test_a_filter_that_can_not_be_asked_about_is_no_good_one() -> None:
    client = Filtering(set(), Retryable("no", code="http-503"))

    assert brief(await _filters("vendors[0].sesamy, whose rows", client=cast(Sesamy, client)))[0] == "warning"


async def test_what_is_met_in_place_of_an_answer_is_said_in_words() -> None:
    away = Retryable("no", code="connect")
    client = Filtering(set(), away)
    found = await _filters("v", client=cast(Sesamy, client)), await _list("l", client=cast(MakeAs, Upstream(away)), list_id="7")

    assert [one.what for one in found] == [
        "whether rows are filtered by user can't be asked (could not connect)",
        "does not answer as it should (could not connect)",
    ]


async def test_no_two_checks_ask_for_the_same_nobody() -> None:
    client = Filtering(set())
    for _ in range(2):
        await _filters("v", client=cast(Sesamy, client))

    assert len({user for _, user in client.asked}) == 2

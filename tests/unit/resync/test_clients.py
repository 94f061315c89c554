"""What the clients of both sides are made of, what they count, and the limits of their gates."""

import logging
from collections.abc import Callable, Collection
from typing import Any

import pytest
from msgspec import structs

from consumer.core.errors import Retryable
from consumer.core.gates.gate import Gate
from consumer.core.gates.window import Said
from consumer.core.model import SESAMY, AccountId, Door, UserKey
from consumer.resync.clients import _note_odd, gates, upstreams
from consumer.resync.http import exchange as http
from consumer.settings.model import (
    ListSettings,
    MakeAsSettings,
    SesamyCredentials,
    SesamySettings,
    Settings,
    VendorSettings,
    WorkerSettings,
)
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics
from tests.generated.metrics_table import one_of_each

A, B = AccountId("1"), AccountId("2")


def _vendor(name: str, *lists: tuple[str, str]) -> VendorSettings:
    rows = tuple(ListSettings(user_id=user, api_key=Secret("text", f"key {user}"), list_id=one) for user, one in lists)
    return VendorSettings(
        id=name, sesamy=SesamyCredentials(client_id=f"client {name}", client_secret=Secret("text", f"secret {name}")), makeas=rows
    )


TWO = Settings(
    vendors=(_vendor("v", ("1", "7"), ("1", "8"), ("2", "9")), _vendor("w", ("1", "5"))),
    workers=WorkerSettings(concurrency=10, max_attempts=3, hold_s=100.0),
    sesamy=SesamySettings(requests_per_minute=600, burst=40, timeout_s=7.0, base_url="https://api.sesamy.example"),
    makeas=MakeAsSettings(requests_per_second=8.0, burst=20, max_in_flight=3, timeout_s=11.0, base_url="https://api.makeas.example"),
)
"""Two vendors that share an account: it has lists of both."""


def at_once(gate: Gate) -> int:
    """Return how many permits may be taken at once."""
    return max(number for number in range(200) if gate.door(now=0, permits=number) is Door.OPEN)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_each_gate_has_its_upstreams_limits_in_seconds_and_our_share_of_them(share: float) -> None:
    """Sesamy's rate is by the minute; the share is one of the burst, too."""
    made = gates(TWO, rate_share=share)

    assert ({*made.vendors}, {*made.accounts}) == ({"v", "w"}, {"1", "2"})
    assert {gate.pace.rate_per_s for gate in made.vendors.values()} == {10 * share}
    assert {gate.pace.rate_per_s for gate in made.accounts.values()} == {8 * share}
    assert {at_once(gate) for gate in made.vendors.values()} == {int(40 * share)}
    assert {at_once(gate) for gate in made.accounts.values()} == {int(20 * share)}


@pytest.mark.parametrize(("setting", "heeds", "share"), [("auto", 300, 1.0), ("auto", 300, 0.5), (600, 600, 0.5)])
def test_the_answers_limit_is_followed_only_where_the_settings_leave_it_to_them(setting: Any, heeds: float, share: float) -> None:
    made = gates(structs.replace(TWO, sesamy=structs.replace(TWO.sesamy, requests_per_minute=setting)), rate_share=share)
    first = made.vendors["v"].heed.per_minute
    for reset in (1000.0, 1060.0):
        made.vendors["v"].heed.note(Said(limit=300, remaining=300, reset=reset, ends_in_s=60), in_flight=0, now=reset)
    assert first == (100 if setting == "auto" else 600)
    assert made.vendors["v"].heed.per_minute == pytest.approx(heeds)
    assert made.vendors["v"].pace.rate_per_s == pytest.approx(heeds / 60 * share)
    assert made.accounts[A].heed.per_minute == pytest.approx(480)


async def test_only_the_answers_of_the_api_itself_tell_of_its_limit(clients: list["Client"]) -> None:
    """The token comes from elsewhere, and Make.as names no limit."""
    async with upstreams(TWO, Metrics(TWO)):
        assert [one.heed is not None for one in clients if one.upstream == "sesamy:v"] == [True, False]
        assert all(one.heed is None for one in clients if not one.upstream.startswith("sesamy"))


def test_an_account_takes_no_more_users_at_once_than_it_may() -> None:
    made = gates(structs.replace(TWO, makeas=structs.replace(TWO.makeas, burst=100)))
    inside = 0
    while made.account(A, now=0) is Door.OPEN:
        made.enter(UserKey("v", f"u{inside}"), [A], now=0)
        inside += 1

    assert inside == 3


@pytest.mark.parametrize("heals", [True, False])
def test_the_failures_of_few_users_shut_a_gate_only_where_who_is_held_is_tried_again(heals: bool) -> None:
    made = gates(TWO, heals=heals)
    for gate in (made.vendors["v"], made.accounts[A]):
        for _ in range(9):
            gate.failed(UserKey("v", "u"), Retryable("no", code="http-500"), now=0)

        assert gate.closed(now=0) is heals


def test_a_command_makes_way_at_a_429_and_a_pod_does_not() -> None:
    for courteous, rates in ((True, {5.0, 4.0}), (False, {10.0, 8.0})):
        made = gates(TWO, courteous=courteous)
        both = (made.vendors["v"], made.accounts[A])
        for gate in both:
            gate.enter(UserKey("v", "u"), now=0, permits=1)
            gate.failed(UserKey("v", "u"), Retryable("no", code="http-429"), now=0)

        assert {gate.pace.rate_per_s for gate in both} == rates


class Client:
    """Stands where an `Http` could: keeps what it was made with."""

    made: list["Client"]

    def __init__(
        self,
        _: object,
        *,
        upstream: str,
        base_url: str,
        timeout_s: float,
        refuses: Collection[int],
        observe: Callable[..., None],
        heed: Callable[..., None] | None,
    ) -> None:
        self.heed = heed
        self.upstream, self.about, self.observe = upstream, (base_url, timeout_s, 409 in refuses, 422 in refuses), observe
        self.made.append(self)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    Client.made = []
    monkeypatch.setattr(http, "Http", Client)
    return Client.made


async def test_each_vendor_and_account_has_clients_of_its_own_with_the_limits_of_its_side(clients: list[Client]) -> None:
    async with upstreams(TWO, Metrics(TWO)) as up:
        assert up.account_ids == {"v": ("1", "2"), "w": ("1",)}
        assert [one.upstream for one in clients] == ["sesamy:v", "sesamy:v", "1", "2", "sesamy:w", "sesamy:w", "1"]

    at_makeas = {one.about for one in clients if not one.upstream.startswith("sesamy")}
    assert at_makeas == {("https://api.makeas.example", 11.0, True, True)}
    assert {one.about[1] for one in clients if one.upstream.startswith("sesamy")} == {7.0}


async def test_who_left_is_known_of_all_lists_of_an_account_whoever_writes_to_it(clients: list[Client]) -> None:
    """One register for both vendors: else who left by one of them would be added by the other."""
    async with upstreams(TWO, Metrics(TWO)) as up:
        consent = up.registers.consent(A)
        writers: list[Any] = [up.vendors[vendor].targets[A].client for vendor in ("v", "w")]
        assert clients

        assert consent is not None
        assert set(consent.registers) == {"7", "8", "5"}
        assert [one._consent is consent for one in writers] == [True, True]
        assert [one._lists for one in writers] == [("7", "8"), ("5",)]


async def test_nobody_is_let_in_at_an_account_before_it_is_known_who_left(clients: list[Client]) -> None:
    async with upstreams(TWO, Metrics(TWO)) as up:
        assert clients
        assert up.gates.account(A, now=0) is Door.SHUT
        assert up.gates.accounts[A].door(now=0) is Door.OPEN
        assert not up.gates.account_expired(A, now=0)


async def test_each_key_and_secret_is_its_own_and_read_again_once_it_was_refused(clients: list[Client]) -> None:
    async with upstreams(TWO, Metrics(TWO)) as up:
        assert clients
        for vendor in TWO.vendors:
            token: Any = up.vendors[vendor.id].sesamy._token
            assert (token._client_id, token._client_secret()) == (f"client {vendor.id}", f"secret {vendor.id}")
            assert token._expire_secret == vendor.sesamy.client_secret.expire
            for account, target in up.vendors[vendor.id].targets.items():
                writer: Any = target.client
                assert (writer._user_id, writer._api_key()) == (account, f"key {account}")
        kept: Any = up.registers._accounts
        assert {account: one._expire_key.__self__.read() for account, one in kept.items()} == {"1": "key 1", "2": "key 2"}


class Seen:
    """Traces that keep what they are told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str, float]] = []

    def call(self, *call: Any) -> None:
        self.calls.append(call)


async def test_each_call_is_counted_by_upstream_and_traced(clients: list[Client]) -> None:
    metrics, traces = Metrics(TWO), Seen()
    said: Any = traces
    async with upstreams(TWO, metrics, traces=said):
        clients[0].observe("user", "200", 0.3)
        clients[2].observe("upsert", "429", 2.0)
        clients[2].observe("upsert", "429", 1.0)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"sesamy_makeas_upstream_{name}", labels)

    assert value("requests_total", upstream="sesamy:v", op="user", code="200") == 1
    assert value("requests_total", upstream="1", op="upsert", code="429") == 2
    assert value("request_duration_seconds_sum", upstream="1") == 3
    assert traces.calls == [("sesamy:v", "user", "200", 0.3), ("1", "upsert", "429", 2.0), ("1", "upsert", "429", 1.0)]


def test_an_odd_field_is_counted_each_time_and_named_once_per_vendor(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(one_of_each())
    note = _note_odd(metrics, "v")
    with caplog.at_level(logging.WARNING, logger="consumer"):
        note(["user.company"])
        note(["user.company", "contracts.createdAt"])
        note([])

    assert metrics.registry.get_sample_value("sesamy_makeas_odd_values_total", {"field": "user.company"}) == 2
    assert metrics.registry.get_sample_value("sesamy_makeas_odd_values_total", {"field": "entitlements"}) == 0
    assert [str(line.msg["field"]) for line in caplog.records if isinstance(line.msg, dict)] == ["user.company", "contracts.createdAt"]


# ---- What is paused ----


def _pausing(vendor: VendorSettings, *lists: str, whole: bool = False) -> VendorSettings:
    rows = tuple(structs.replace(one, paused=one.list_id in lists) for one in vendor.makeas)
    return structs.replace(vendor, makeas=rows, paused=whole)


def _shut(settings: Settings, *, heals: bool = True, now: float = 5.0) -> list[str]:
    made = gates(settings, heals=heals, now=now)
    return [
        f"{name} {gate.state(now=now).cause}"
        for name, gate in (*made.vendors.items(), *made.accounts.items())
        if gate.door(now=now) is Door.SHUT
    ]


def test_a_paused_vendor_is_stopped_and_its_account_is_not_where_another_uses_it() -> None:
    v, w = TWO.vendors

    assert _shut(TWO) == []
    assert _shut(structs.replace(TWO, vendors=(_pausing(v, "7"), _pausing(w, "5")))) == []
    assert _shut(structs.replace(TWO, vendors=(_pausing(v, whole=True), w))) == ["v paused"]


def test_an_account_is_stopped_once_all_its_lists_are_paused() -> None:
    v, w = TWO.vendors

    assert _shut(structs.replace(TWO, vendors=(_pausing(v, "7", "9"), w))) == ["2 paused"]
    assert _shut(structs.replace(TWO, vendors=(_pausing(v, "7", "8"), _pausing(w, "5")))) == ["1 paused"]


def test_the_lists_of_one_vendor_do_not_stop_another_that_uses_the_same_credential() -> None:
    v, w = TWO.vendors
    settings = structs.replace(TWO, vendors=(_pausing(v, "7", "8"), w))

    assert [(one.vendor, one.id) for one in settings.accounts] == [("v", "1"), ("v", "2"), ("w", "1")]
    assert _shut(settings) == []
    assert gates(settings, now=0.0).is_paused("v", A, ["7", "8"], now=1.0)


@pytest.mark.parametrize(("heals", "hold_s"), [(True, 100.0), (False, 0.0)])
def test_who_waits_for_what_is_paused_is_parked_like_behind_any_gate_and_at_once_where_nothing_heals(heals: bool, hold_s: float) -> None:
    vendors = (_pausing(TWO.vendors[0], "9", whole=True), TWO.vendors[1])
    made = gates(structs.replace(TWO, vendors=vendors), heals=heals, now=5.0)

    times = (4.9 + hold_s, 5.0 + hold_s)
    assert [made.vendor_expired("v", now=now) for now in times] == [False, True]
    assert [made.account_expired(B, now=now) for now in times] == [False, True]
    assert (made.vendors["v"].next_change(now=1000.0), made.vendors["v"].door(now=1e9)) == (float("inf"), Door.SHUT)


@pytest.mark.parametrize("given", [True, False])
def test_what_is_paused_is_said_of_the_list_of_its_account_and_of_its_vendor(given: bool) -> None:
    v, w = TWO.vendors
    lists = gates(structs.replace(TWO, vendors=(_pausing(v, *(["7"] if given else [])), w)), now=0.0)
    whole = gates(structs.replace(TWO, vendors=(_pausing(v, whole=given), w)), now=0.0)

    assert lists.is_paused("v", A, ["7"], now=1.0) is given
    assert not lists.is_paused("v", A, ["8"], now=1.0)
    assert not lists.is_paused("v", A, [], now=1.0)
    assert not lists.is_paused("v", SESAMY, [], now=1.0)
    assert (whole.is_paused("v", A, ["8"], now=1.0), whole.is_paused("v", SESAMY, [], now=1.0)) == (given, given)
    assert not whole.is_paused("w", A, ["5"], now=1.0)


async def test_nobody_asks_a_paused_vendor_about_its_filter() -> None:
    """It would be a call to what is to be left alone, and its verdict would open the gate to none."""
    settings = structs.replace(TWO, vendors=(_pausing(TWO.vendors[0], whole=True), TWO.vendors[1]))
    async with upstreams(settings, Metrics(settings), heals=True) as up:
        up.filters.await_verdicts(now=0.0)
        shown = {name: gate.state(now=0.0).cause for name, gate in up.gates.vendors.items()}
    assert shown == {"v": "paused", "w": "unproven"}

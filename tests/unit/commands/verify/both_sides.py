"""Stand-ins of Sesamy and Make.as over real HTTP, and `verify` asked of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from msgspec import structs

from consumer.commands.verify.command import _account, _ways
from consumer.commands.verify.question import Known
from consumer.commands.verify.report import Row
from consumer.commands.verify.work import Asker, Found, Work, clients
from consumer.sandbox.stand_ins import makeas, sesamy
from consumer.sandbox.stand_ins.server import serving
from consumer.settings.model import MakeAsSettings, SesamySettings, Settings
from tests.generated.metrics_table import one_of_each

EMAIL: Final = "me+a@test.example"
EMAIL_2: Final = "me+b@test.example"
LEFT: Final = "me+c@test.example"


class Sides:
    """Both APIs, with one vendor and one account of two lists."""

    def __init__(self) -> None:
        self.sesamy = sesamy.Sesamy(envelope="data")
        self.sesamy.add_vendor("v", client_id="c", secret="s")
        for number in range(3):
            self.sesamy.users["v"][f"u{number}"] = {
                "profile": {"userId": f"u{number}", "email": f"u{number}@x.no", "createdAt": "2026-01-02T03:04:05.678Z", "tags": ["a"]},
                "contracts": [{"id": f"c{number}", "userId": f"u{number}", "status": "ACTIVE", "isActive": True, "items": []}],
                "entitlements": [{"id": f"e{number}", "sku": "s", "hasAccess": True, "createdAt": 1_767_323_045}],
            }
        self.makeas = makeas.MakeAs()
        self.account = self.makeas.add_account("1001", key="k", lists={"7", "8"})
        self.shown: list[str] = []
        self.on_call: Callable[[str], None] = lambda _: None
        self.makes: dict[str, Any] = {}
        """Settings of Make.as that are another than usual."""
        self.agrees = True
        self.asked = 0

    def known(self, settings: Settings, **given: Any) -> Known:
        return Known(ways=_ways(settings, settings.vendors[0]), nobody="email|0", **given)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Settings]:
        async with serving(self.sesamy.app()) as one, serving(self.makeas.app()) as other:
            make = MakeAsSettings(base_url=f"{other}/api/public/v2", requests_per_second=1e5, burst=10_000)
            side = SesamySettings(base_url=one, token_url=f"{one}/oauth/token", requests_per_minute=100, burst=10_000)
            yield structs.replace(one_of_each(), sesamy=side, makeas=structs.replace(make, **self.makes))

    async def verify(self, *, writes: bool = False, **given: Any) -> Found:
        """Ask as the command does."""
        async with self.served() as settings:
            known, vendor = self.known(settings, **given), settings.vendors[0]
            account = _account(settings, vendor, known, writes=writes)
            async with clients(settings, vendor, account, rate_share=1.0) as opened:
                asker = Asker(opened, vendor=vendor, account=account, show=self._show)
                return await Work(asker.ask, known).run(writes=writes, agree=self._agree)

    def _show(self, told: str) -> None:
        self.shown.append(told)
        self.on_call(told)

    async def _agree(self) -> bool:
        self.asked += 1
        return self.agrees


def row(found: Found, unknown: str) -> Row:
    """Return what was seen of one unknown, by the words of it."""
    (one,) = [one for one in found.rows if unknown in one.unknown]
    return one


def writes(found: Found) -> dict[str, Any]:
    """Return the settings that are to be written."""
    return {one.setting: one.write for one in found.rows if one.write is not None}


CONTACTS: Final[dict[str, Any]] = {"email": EMAIL, "email_2": EMAIL_2, "list_id": "7"}


@pytest.fixture
def sides() -> Sides:
    return Sides()

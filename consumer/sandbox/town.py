"""A town for `local` and the tests: two publishers, three accounts, four lists, as servers on loopback."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from .oracle import differences, wanted
from .publishers import populate
from .stand_ins.makeas import Account, MakeAs
from .stand_ins.server import serving
from .stand_ins.sesamy import Sesamy

TOPIC: Final = "sesamy.events"
LETTERS: Final = f"{TOPIC}.dead-letter"


class Place(Struct, frozen=True):
    """One account of one publisher, with its lists."""

    vendor: str
    account: str
    lists: tuple[str, ...]


PLACES: Final = (
    Place("morgenposten", "1001", ("1466", "1467")),
    Place("morgenposten", "1002", ("2001",)),
    Place("kystavisen", "1003", ("3001",)),
)
VENDORS: Final = tuple(dict.fromkeys(place.vendor for place in PLACES))


class Trial(Struct, frozen=True):
    """Addresses that are no reader's, for trying what the API is like: two without a contact, and one whose contact opted out."""

    place: Place
    emails: tuple[str, str] = ("test.a@example.com", "test.b@example.com")
    opted_out: str = "test.opted-out@example.com"

    @property
    def options(self) -> tuple[str, ...]:
        """Return them as options of `verify`."""
        first, second = self.emails
        return ("--email", first, "--email-2", second, "--opted-out-email", self.opted_out, "--list", self.place.lists[0])


class Town:
    """Both stand-ins, their readers, and where they are reached."""

    def __init__(self, sesamy: Sesamy, makeas: MakeAs, folder: Path) -> None:
        self.sesamy, self.makeas, self.folder = sesamy, makeas, folder
        self.sesamy_url = self.makeas_url = ""

    def account(self, place: Place) -> Account:
        """Return a place's account."""
        return self.makeas.accounts[place.account]

    def key_file(self, account: str) -> Path:
        """Return where the consumer finds the account's key."""
        return self.folder / f"make-{account}"

    def secret_file(self, vendor: str) -> Path:
        """Return where the consumer finds the secret of the vendor's client of Sesamy."""
        return self.folder / f"sesamy-{vendor}"

    def trial(self, place: Place) -> Trial:
        """Return the test addresses of a place; the contact that opted out is put there."""
        found, account = Trial(place), self.account(place)
        account.trials.add(found.opted_out)
        if found.opted_out not in account.contacts:
            account.contact(found.opted_out, lists=[place.lists[0]], email_status="unsubscribed")
        return found

    def rotate_key(self, upstream: str) -> None:
        """Give an account, or `sesamy:VENDOR`, another key; the consumer's is refused from now on."""
        vendor = upstream.removeprefix("sesamy:")
        if vendor == upstream:
            account = self.makeas.accounts[upstream]
            account.key = f"rotated-{account.key}"
            return
        client = f"{vendor}-client"
        self.sesamy.clients[client] = (vendor, f"rotated-{self.sesamy.clients[client][1]}")
        self.sesamy.revoke_tokens()

    def hand_over_key(self, upstream: str) -> None:
        """Give the consumer the key that is right now, as an operator would: into the file of it."""
        vendor = upstream.removeprefix("sesamy:")
        if vendor == upstream:
            _write(self.key_file(upstream), f"{self.makeas.accounts[upstream].key}\n")
        else:
            _write(self.secret_file(vendor), self.sesamy.clients[f"{vendor}-client"][1])

    def readers(self, vendor: str) -> set[str]:
        """Return the ids of a publisher's readers."""
        return set(self.sesamy.users[vendor])

    def writable(self, vendor: str) -> list[str]:
        """Return the ids of a publisher's readers that are to be written, in order."""
        return [user for user in sorted(self.readers(vendor)) if not self.is_skipped(vendor, user)]

    def reader(self, vendor: str, number: int = 0) -> str:
        """Return the id of one reader that is to be written: the first, or another one by its place."""
        return self.writable(vendor)[number]

    def address(self, vendor: str, user: str) -> str:
        """Return a reader's address in lower case, as an account knows its contacts."""
        return str(self.sesamy.users[vendor][user]["profile"]["email"]).lower()

    def wrong(self, place: Place, readers: set[str] | None = None) -> dict[str, list[str]]:
        """Compare an account with what Sesamy says; return what is wrong, by reader."""
        users = self.sesamy.users[place.vendor]
        return differences(users, self.readers(place.vendor) if readers is None else readers, self.account(place), set(place.lists))

    def is_skipped(self, vendor: str, user: str) -> bool:
        """Say whether a reader is not to be written: a guest, or without an address."""
        return wanted(user, self.sesamy.users[vendor].get(user)) is None

    def violations(self) -> list[str]:
        """Return what must never happen, and did."""
        return [f"account {account.user_id}: {one}" for account in self.makeas.accounts.values() for one in account.violations]

    def settings(
        self,
        *,
        bootstrap: str,
        admin_port: int,
        topic: str = TOPIC,
        rate_per_minute: int = 60_000,
        session_s: float = 6.0,
        more: str = "",
    ) -> str:
        """Return settings for a consumer of this town, quick enough for one sitting; `more`: further tables of TOML."""
        vendors = "\n".join(self._vendor(vendor) for vendor in VENDORS)
        servers = ", ".join(f'"{one}"' for one in bootstrap.split(","))
        return f"""
[kafka]
bootstrap_servers = [{servers}]
topic = "{topic}"
group_id = "readers-of-{topic}"
dead_letter_topic = "{topic}.dead-letter"
session_timeout_s = {session_s}
rebalance_timeout_s = {max(30.0, session_s * 2)}

[admin]
host = "127.0.0.1"
port = {admin_port}

{self._upstreams(rate_per_minute)}
{more}
{vendors}
"""

    def _upstreams(self, rate_per_minute: int) -> str:
        return f"""
[sesamy]
base_url = "{self.sesamy_url}"
token_url = "{self.sesamy_url}/oauth/token"
requests_per_minute = {rate_per_minute}
burst = {max(3, rate_per_minute // 60)}
timeout_s = 5.0

[makeas]
base_url = "{self.makeas_url}/api/public/v2"
requests_per_second = 500.0
burst = 500
timeout_s = 5.0
"""

    def _vendor(self, vendor: str) -> str:
        sets = ",\n".join(
            f'  {{ userId = "{place.account}", apiKey = {{ file = "{self.key_file(place.account)}" }}, listId = "{list_id}" }}'
            for place in PLACES
            if place.vendor == vendor
            for list_id in place.lists
        )
        secret = f'{{ file = "{self.secret_file(vendor)}" }}'
        return (
            f'[[vendors]]\nid = "{vendor}"\nsesamy = {{ client_id = "{vendor}-client", client_secret = {secret} }}\nmakeas = [\n{sets}\n]\n'
        )


@asynccontextmanager
async def town(folder: Path, *, readers: int, seed: int = 1, sesamy: Sesamy | None = None) -> AsyncIterator[Town]:
    """Build the town and serve it, with another Sesamy if one is given; secrets go into files in `folder`."""
    chance = random.Random(seed)
    sesamy, makeas = sesamy or Sesamy(envelope="data"), MakeAs()
    here = Town(sesamy, makeas, folder)
    for vendor in VENDORS:
        sesamy.add_vendor(vendor, client_id=f"{vendor}-client", secret=f"secret-of-{vendor}")
        _write(here.secret_file(vendor), f"secret-of-{vendor}")
        populate(sesamy, vendor, readers, chance)
    for place in PLACES:
        makeas.add_account(place.account, key=f"key-of-{place.account}", lists=set(place.lists))
        _write(here.key_file(place.account), f"key-of-{place.account}\n")
        _history(here, place, chance)
    async with serving(sesamy.app()) as here.sesamy_url, serving(makeas.app()) as here.makeas_url:
        yield here


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def _history(here: Town, place: Place, chance: random.Random) -> None:
    """Let some contacts be there before: with others' tags, with stale ones of ours, and some that left."""
    for user_id, user in here.sesamy.users[place.vendor].items():
        want = wanted(user_id, user)
        if want is not None and chance.random() < 0.3:  # noqa: PLR2004
            status = chance.choice(["active", "active", "unsubscribed", "bounce"])
            tags = ["Quiz 2024", "sesamy", *chance.choice([[], ["sesamy_tag_gammel"], ["sesamy_active_subscriber"]])]
            here.account(place).contact(want["email"], tags=tags, lists=list(place.lists), email_status=status)

"""Drift in a town: what differs between Sesamy and Make.as without any event, sown by chance in readers that agreed."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

from .oracle import Wanted, wanted
from .stand_ins.makeas import Account, Row
from .stand_ins.makeas_reads import stamp
from .town import PLACES, VENDORS, Place, Town

Kind = Literal["missing", "field", "tags", "list", "moved", "stranger", "unlinked", "doubled"]
KINDS: Final[tuple[Kind, ...]] = ("missing", "field", "tags", "list", "moved", "stranger", "unlinked", "doubled")
Sown = dict[Kind, list[tuple[str, str, str]]]
"""Kind -> vendor, user and account of each; the user of a `stranger` is an id that Sesamy does not know."""

STALE: Final = "sesamy_tag_sown"
_ONCE: Final = "sesamy_made_single_purchase"
"""The tag that stays, once a contact has it."""


def settle(here: Town) -> None:
    """
    Bring every account into agreement with Sesamy at once, as if each reader had just been resynced.

    Contacts that left stay off the lists, and tags of others stay.
    """
    for place in PLACES:
        account = here.account(place)
        for user, found in here.sesamy.users[place.vendor].items():
            want = wanted(user, found)
            if want is not None:
                _write(account, place, want)


def _write(account: Account, place: Place, want: Wanted) -> None:
    email: str = want["email"]
    contact = account.contacts.get(email.lower()) or account.contact(email)
    kept = [tag for tag in contact["tags"] if not tag.startswith("sesamy_") or (email.lower() in account.bought_once and tag == _ONCE)]
    contact |= {**want["fields"], "tags": list(dict.fromkeys([*kept, *sorted(want["tags"])])), "date_updated": stamp()}
    if contact["email_status"] == "active":
        contact["lists"] = sorted({*contact["lists"], *place.lists} - account.left_lists(email))
    account.products.update({one: {"external_id": one, "name": name} for one, name in want["products"].items()})
    account.subscriptions.update(want["subscriptions"])


def sow(here: Town, chance: random.Random, counts: Mapping[Kind, int]) -> Sown:
    """
    Make drift in readers of a town that agrees, as people and missed events do; no reader gets two, and none that left anything gets any.

    - missing: the contact is deleted
    - field: its first name is another one
    - tags: of each two, the first has a tag of ours too many, the second one too few
    - list: it is not on one list of its place, and has not left it
    - moved: it is at another address, with the reader's external id
    - stranger: a contact with an external id that Sesamy does not know is on the place's lists
    - unlinked: it is at the reader's address, without external id
    - doubled: two readers have one address at Sesamy, whose contact is the first one's; both are told, at each account of their vendor

    Args:
        counts: How many of each kind; of `doubled`, how many pairs.

    Raises:
        ValueError: The town has too few readers for that.
    """
    free, sown = _free(here, chance), Sown()
    for kind in KINDS:
        sown[kind] = []
        for number in range(counts.get(kind, 0)):
            place = PLACES[chance.randrange(len(PLACES))]
            account = here.account(place)
            if kind == "stranger":
                sown[kind].append((place.vendor, _unknown_contact(account, place, chance.randrange(10**9)), place.account))
            elif kind == "doubled":
                first, second = _next(free, place.vendor), _next(free, place.vendor)
                sown[kind] += _double(here, place.vendor, first, second)
            else:
                user = _next(free, place.vendor)
                _DRIFTS[kind](account, place, here.address(place.vendor, user), number)
                sown[kind].append((place.vendor, user, place.account))
    return sown


def undouble(here: Town, sown: Sown) -> None:
    """Give the second of each two readers with one address another address at Sesamy, as support would."""
    first: dict[str, str] = {}
    for vendor, user, _ in sown["doubled"]:
        profile = here.sesamy.users[vendor][user]["profile"]
        if first.setdefault(profile["email"], user) != user:
            profile["email"] = f"second.{profile['email']}"


def _free(here: Town, chance: random.Random) -> dict[str, list[str]]:
    """Return each vendor's readers without drift that are on all their lists, with a tag and a first name, in an order by chance."""
    free = {}
    for vendor in VENDORS:
        places = [place for place in PLACES if place.vendor == vendor]
        addresses = {user: here.address(vendor, user) for user in here.writable(vendor)}
        shared = Counter(addresses.values())
        free[vendor] = [
            user
            for user, email in addresses.items()
            if shared[email] == 1 and all(_is_whole(here.account(one), one, user, email) for one in places)
        ]
        chance.shuffle(free[vendor])
    return free


def _is_whole(account: Account, place: Place, user: str, email: str) -> bool:
    contact = account.contacts.get(email)
    if contact is None or contact["email_status"] != "active" or _elsewhere(email) in account.contacts:
        return False
    if contact.get("external_id") != user or not contact.get("firstname") or STALE in contact["tags"]:
        return False
    return set(place.lists) <= set(contact["lists"]) - account.left_lists(email) and any(_ours(contact, account))


def _elsewhere(email: str) -> str:
    return f"moved.{email}"


def _ours(contact: Row, account: Account) -> Iterator[str]:
    """Give the tags of ours that a resync would put back, if they were gone."""
    once = contact["email"].lower() in account.bought_once
    return (tag for tag in contact["tags"] if tag.startswith("sesamy_") and not (once and tag == _ONCE))


def _next(free: Mapping[str, list[str]], vendor: str) -> str:
    if not free[vendor]:
        raise ValueError(f"too few readers of {vendor} for so much drift")
    return free[vendor].pop()


def _unknown_contact(account: Account, place: Place, number: int) -> str:
    user = f"auth0|{place.vendor}-unknown-{number}"
    account.contact(
        f"stranger.{number}@example.com", external_id=user, firstname="Ukjent", lists=list(place.lists), tags=["sesamy_tag_vip"]
    )
    return user


def _double(here: Town, vendor: str, first: str, second: str) -> Iterable[tuple[str, str, str]]:
    users, old = here.sesamy.users[vendor], here.address(vendor, second)
    users[second]["profile"]["email"] = users[first]["profile"]["email"]
    for place in PLACES:
        if place.vendor == vendor:
            here.account(place).remove(old)
            yield vendor, first, place.account
            yield vendor, second, place.account


def _missing(account: Account, _place: Place, email: str, _number: int) -> None:
    account.remove(email)


def _field(account: Account, _place: Place, email: str, _number: int) -> None:
    contact = account.contacts[email]
    contact |= {"firstname": f"{contact['firstname']}-Eldre", "date_updated": stamp()}


def _tags(account: Account, _place: Place, email: str, number: int) -> None:
    contact = account.contacts[email]
    if number % 2 == 0:
        contact["tags"].append(STALE)
    else:
        contact["tags"].remove(next(_ours(contact, account)))
    contact["date_updated"] = stamp()


def _list(account: Account, place: Place, email: str, number: int) -> None:
    contact = account.contacts[email]
    off = place.lists[number % len(place.lists)]
    contact |= {"lists": [one for one in contact["lists"] if one != off], "date_updated": stamp()}


def _moved(account: Account, _place: Place, email: str, _number: int) -> None:
    account.move(email, _elsewhere(email))


def _unlinked(account: Account, _place: Place, email: str, _number: int) -> None:
    contact = account.contacts[email]
    del contact["external_id"]
    contact["date_updated"] = stamp()


_DRIFTS: Final[Mapping[Kind, Callable[[Account, Place, str, int], None]]] = {
    "missing": _missing,
    "field": _field,
    "tags": _tags,
    "list": _list,
    "moved": _moved,
    "unlinked": _unlinked,
}

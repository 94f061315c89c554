"""What holds of readers and contacts that are compared all together: that it is what one by one would say."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert, structs

from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.drift.contacts import Contacts
from consumer.core.drift.prints import Prints
from consumer.core.drift.readers import Readers
from consumer.core.drift.reduced import access, deal, known
from consumer.core.mapping.contact import Contact, changes
from consumer.core.mapping.documents import Documents, documents
from consumer.core.mapping.tags import SINGLE_PURCHASE, Wanted, standard_tags, with_lasting
from consumer.core.model import AccountId, UserKey
from tests.properties.test_mapping import CONTRACTS, ENTITLEMENTS, NAMES, PROFILES

PRINTS = Prints(b"key")
ACCOUNT = AccountId("1")
USERS = ("ann", "bob", "cid", "guest|dee")
SNAPSHOTS = st.fixed_dictionaries(
    {
        user: st.builds(
            Snapshot,
            user=st.just(UserKey("v", user)),
            profile=PROFILES,
            contracts=st.lists(CONTRACTS.map(lambda one: structs.replace(one, user_id=None)), max_size=4).map(tuple),
            entitlements=st.lists(ENTITLEMENTS, max_size=3).map(tuple),
        )
        for user in USERS
    }
)
SPELLINGS = ("{}@børs.no", " {}@XN--BRS-0NA.no", "{}@børs.no.", "\ufeff{}@b\u200børs.no", "{}@BØRS。no")
TAGS = st.sampled_from(
    [
        *("VIP", "sesamy_tag_vip", "sesamy_tag_VIP", "SESAMY_TAG_VIP", "Sesamy_vip", "sesamy_old", "sesamy_Active_Subscriber"),
        *("sesamy_active_subscriber", "SESAMY_MADE_SINGLE_PURCHASE", "sesamy_made_single_purchase", " ", "sesamy_active_subscriber "),
    ]
)


def each_once(snapshot: Snapshot) -> Snapshot:
    """Return it with each row once, as it came last."""
    return structs.replace(
        snapshot,
        contracts=tuple({one.id: one for one in snapshot.contracts}.values()),
        entitlements=tuple({one.id: one for one in snapshot.entitlements}.values()),
    )


def paged(snapshots: Sequence[Snapshot], random: Random, prints: Prints = PRINTS) -> Readers:
    """Take all rows as pages that overlap, in any order of users; the rows of one keep theirs."""
    readers = Readers("v", prints)
    users = [one for one in snapshots for _ in range(random.randint(1, 2))]
    readers.take_users(known(one.user.user, one.profile, prints) for one in random.sample(users, len(users)))

    def mixed(rows: list[tuple[Snapshot, Contract | Entitlement]]) -> list[tuple[Snapshot, Contract | Entitlement]]:
        turns = [iter([row for row in rows if row[0] is one]) for one in snapshots]
        order = [number for number, one in enumerate(snapshots) for row in rows if row[0] is one]
        found = [next(turns[number]) for number in random.sample(order, len(order))]
        at = random.randint(0, len(found))
        return [*found[:at], *found[max(0, at - 2) :]]  # The last two of a page come once more.

    for of, row in mixed([(one, row) for one in snapshots for row in one.contracts]):
        assert isinstance(row, Contract)
        number = readers.find(of.user.user)
        assert number is not None
        readers.take_contracts([deal(of.user.user, row, readers.address(number), prints)])
    for of, entitlement in mixed([(one, row) for one in snapshots for row in one.entitlements]):
        assert isinstance(entitlement, Entitlement)
        readers.take_entitlements([access(of.user.user, entitlement, prints)])
    readers.settle(has_tags=True)
    return readers


@given(SNAPSHOTS, st.randoms(use_true_random=False))
def test_the_tags_of_readers_are_those_of_their_snapshots_however_the_pages_come(snapshots: dict[str, Snapshot], random: Random) -> None:
    readers = paged(list(snapshots.values()), random)

    for user, snapshot in snapshots.items():
        number = readers.find(user)
        assert number is not None
        if not readers.skip(number):
            tags = standard_tags(each_once(snapshot))
            assert readers.wanted(number).folded == Wanted.of(tags, PRINTS.of).folded
            assert all(tag in readers.wanted(number) for tag in tags)


# ---- A contact compared ----


def contacts_of(name: str, names: st.SearchStrategy[str | None]) -> st.SearchStrategy[Contact]:
    """Contacts of a reader as a hand may have left them."""
    tags = st.lists(TAGS | TAGS.map(lambda tag: {"title": tag}), max_size=5)
    return st.builds(
        lambda **fields: convert({"id": name, **fields}, Contact),
        email=st.sampled_from([one.format(case) for one in SPELLINGS for case in (name, name.title())]),
        external_id=st.sampled_from([None, "", name]),
        firstname=names,
        lastname=names,
        company=names,
        tags=st.none() | tags,
        email_status=st.sampled_from(["active", "unsubscribed", "bounce", None, "ACTIVE"]),
    )


FEW = st.none() | st.sampled_from(["", "A", "b", "Magazine"]) | NAMES


@given(
    st.fixed_dictionaries({user: contacts_of(user, FEW) for user in ("ann", "bob")}),
    SNAPSHOTS,
    st.booleans(),
    st.booleans(),
    st.fixed_dictionaries({user: st.sets(st.sampled_from(["7", "8"]), min_size=1) for user in ("ann", "bob")}),
)
def test_what_differs_is_what_diff_says(
    contacts: dict[str, Contact], snapshots: dict[str, Snapshot], keeps: bool, is_alike: bool, on: dict[str, set[str]]
) -> None:
    """The kinds that were found are those of the changes that a resync would make, on the values in clear."""
    found, expected = dict[str, set[str]](), dict[str, set[str]]()
    clear = {}
    for user, contact in contacts.items():
        given_ = snapshots[user]
        names = {"first_name": contact.firstname, "given_name": None, "last_name": contact.lastname, "company": contact.company}
        profile = Profile(
            email=f"{user}@børs.no", tags=given_.profile.tags, **(names if is_alike else {"first_name": given_.profile.first_name})
        )
        clear[user] = each_once(structs.replace(given_, profile=profile))
        if is_alike:  # All that is wanted, and perhaps what lasts.
            lasting = [tag for tag in contact.titles if tag.lower() == SINGLE_PURCHASE]
            contacts[user] = structs.replace(contact, tags=[*standard_tags(clear[user]), *lasting])
    readers = paged(list(clear.values()), Random(1))
    account = Contacts(ACCOUNT, {"7": ["v"], "8": ["v"]}, {"v": readers}, keep_single_purchase=keeps)
    account.whole = {"7", "8"}
    for list_id in ("7", "8"):
        account.take(list_id, [one for user, one in contacts.items() if list_id in on[user]], left=False)
    # A row that has all: so what others lack is a difference.
    whole = {"firstname": "A", "lastname": "A", "company": "A", "email": "nobody@example.com", "external_id": "nobody", "tags": []}
    account.take("7", [convert({"id": 9, **whole}, Contact)], left=False)
    for one in account.findings():
        if one.kind != "stranger":
            found.setdefault(one.user, set()).add(one.kind)

    for user, contact in contacts.items():
        wanted = documents(clear[user])
        assert isinstance(wanted, Documents)
        if keeps:
            wanted = structs.replace(wanted, tags=with_lasting(wanted.tags, contact.titles))
        at_make = structs.replace(contact, lists=sorted(on[user]))
        for change in changes(at_make, wanted, ["7", "8"]):
            if change.is_drift:
                expected.setdefault(user, set()).add({"tag": "tags", "list": "list"}.get(change.field, "field"))
    assert found == expected

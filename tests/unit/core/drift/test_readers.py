"""All readers of a vendor, in few bytes each."""

from consumer.core.answers.snapshot import Contract, Entitlement, Origin, Payer, Profile
from consumer.core.drift.prints import NONE
from consumer.core.drift.readers import Readers
from consumer.core.drift.reduced import access, deal, known
from consumer.core.mapping.tags import Wanted

from .some_readers import PRINTS, settled

ANN = Profile(email="Ann@Example.com", first_name="Ann", tags=["VIP"])
BOB = Profile(email="bob@example.com")


def wanted_tags(readers: Readers, user: str) -> frozenset[int]:
    number = readers.find(user)
    assert number is not None
    return readers.wanted(number).folded


def of_texts(*tags: str) -> frozenset[int]:
    return Wanted.of(tags, PRINTS.of).folded


def test_a_reader_is_found_by_its_id_and_by_its_address() -> None:
    readers = settled({"ann": ANN, "bob": BOB})

    assert (readers.find("bob"), readers.find("cid")) == (1, None)
    assert (readers.at("ann@example.com"), readers.at("cid@example.com")) == (0, None)
    assert readers.is_at(0, "ann@example.com")
    assert not readers.is_at(0, "bob@example.com")


def test_its_fields_are_kept_as_prints() -> None:
    readers = settled({"ann": ANN})

    assert readers.values(0) == {
        "email": PRINTS.of("ann@example.com"),
        "firstname": PRINTS.of("Ann"),
        "lastname": None,
        "company": None,
        "external_id": PRINTS.of("ann"),
    }


def test_what_is_not_written_is_counted_and_says_why() -> None:
    readers = settled({"ann": ANN, "nameless": Profile(), "guest|1": BOB})

    assert (len(readers), readers.written) == (3, 1)
    assert [readers.skip(number) for number in range(3)] == ["", "no-email", "guest"]
    assert readers.at("bob@example.com") is None


def test_a_reader_that_comes_twice_is_as_it_came_last() -> None:
    readers = Readers("v", PRINTS)
    for profile in (ANN, Profile(), BOB):
        readers.take_users([known("ann", profile, PRINTS)])
    readers.settle(has_tags=True)

    assert (len(readers), readers.written, readers.at("ann@example.com"), readers.at("bob@example.com")) == (1, 1, None, 0)
    assert wanted_tags(readers, "ann") == frozenset()


def test_two_readers_with_one_address_are_both_told() -> None:
    readers = settled({"ann": ANN, "bob": BOB, "also ann": Profile(email="ann@EXAMPLE.com."), "guest|ann": ANN})

    assert sorted(readers.doubled()) == [0, 2]


def test_rows_of_nobody_are_counted_and_left_out() -> None:
    readers = settled({"ann": ANN}, {"ann": [Contract(id="c1")], "bob": [Contract(id="c2")]}, {"cid": [Entitlement(id="e1")]})

    assert (readers.of_nobody, readers.rows) == (2, 1)
    assert wanted_tags(readers, "ann") == of_texts("sesamy_tag_vip")


def test_a_row_that_comes_twice_counts_as_it_came_last() -> None:
    readers = settled({"bob": BOB}, {"bob": [Contract(id="c1", status="ACTIVE"), Contract(id="c1", status="EXPIRED")]})

    assert wanted_tags(readers, "bob") == frozenset()


def test_an_article_is_bought_unless_its_subscription_is_listed() -> None:
    """The link between two lists, of which prints alone are kept."""
    bought = {one: [Entitlement(id="e1", type="article", origin=Origin(type="PAYMENTS", contract_id="c1"))] for one in ("ann", "bob")}
    readers = settled({"ann": BOB, "bob": BOB}, {"ann": [Contract(id="c1", status="ACTIVE")]}, bought)

    assert wanted_tags(readers, "ann") == of_texts("sesamy_active_subscriber")
    assert wanted_tags(readers, "bob") == of_texts("sesamy_made_single_purchase")


def test_a_payer_is_compared_by_its_print() -> None:
    mine, theirs = (Contract(id="c1", status="ACTIVE", payer=Payer(email=email)) for email in ("ANN@example.com", "bob@example.com"))

    assert wanted_tags(settled({"ann": Profile(email="ann@example.com")}, {"ann": [mine]}), "ann") == of_texts("sesamy_active_subscriber")
    assert of_texts("sesamy_has_gifted_subscription") < wanted_tags(settled({"ann": ANN}, {"ann": [theirs]}), "ann")


def test_where_tags_can_not_be_known_there_are_none() -> None:
    readers = settled({"ann": ANN}, {"ann": [Contract(id="c1", status="ACTIVE")]}, has_tags=False)

    assert (readers.has_tags, wanted_tags(readers, "ann")) == (False, frozenset())


def test_nothing_of_a_person_is_kept_in_clear() -> None:
    contract = Contract(id="secret-contract", status="ACTIVE", payer=Payer(id="secret-payer", email="secret@example.com"))
    profile = Profile(email="secret@example.com", first_name="Secret", last_name="Secret", company="Secret", tags=["secret"])
    kept = [
        repr(known("ann", profile, PRINTS)),
        repr(deal("ann", contract, NONE, PRINTS)),
        repr(access("ann", Entitlement(id="secret-access", origin=Origin(type="PAYMENTS", contract_id="secret")), PRINTS)),
        repr(vars(settled({"ann": profile}, {"ann": [contract]}))),
    ]

    assert [one for one in kept if "secret" in one.lower()] == []

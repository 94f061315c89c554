"""The standard tags, row by row."""

from typing import Any

import pytest
from msgspec import convert

from consumer.core.answers.snapshot import Contract, Entitlement, Profile, Snapshot
from consumer.core.mapping.tags import (
    PREFIX,
    Wanted,
    custom_tags,
    has_ended,
    in_clear,
    is_active,
    is_gifted,
    is_ours,
    others,
    slug,
    stale,
    standard_tags,
    with_lasting,
)
from consumer.core.model import UserKey

ANN = UserKey("vendor_123", "email|ann")
ARTICLE = {"type": "article", "title": "", "sku": ""}
PAYMENTS = {"type": "PAYMENTS", "contractId": "c1"}
EXTERNAL = {"type": "EXTERNAL", "id": "e", "listId": "l", "name": "Partner"}


def contract(**fields: Any) -> Contract:
    """Make a contract as Sesamy writes one."""
    return convert({"id": "c1", "status": "ACTIVE"} | fields, Contract)


def access(**fields: Any) -> Entitlement:
    """Make an entitlement as Sesamy writes one, without a title or an SKU unless given."""
    return convert({"id": "e1", "hasAccess": True} | fields, Entitlement)


def tags(*things: Contract | Entitlement, profile: dict[str, Any] | None = None) -> list[str]:
    return list(
        standard_tags(
            Snapshot(
                user=ANN,
                profile=convert({"email": "ann@example.com"} | (profile or {}), Profile),
                contracts=tuple(one for one in things if isinstance(one, Contract)),
                entitlements=tuple(one for one in things if isinstance(one, Entitlement)),
            )
        )
    )


def test_a_user_without_anything_has_no_tags() -> None:
    assert tags() == []


@pytest.mark.parametrize(
    ("fields", "active", "ended"),
    [
        ({"status": "ACTIVE"}, True, False),
        ({"status": "active"}, True, False),
        ({"status": " Active "}, True, False),
        ({"status": "ACTIVE", "isActive": False}, True, False),
        ({"status": "OVERDUE"}, False, False),
        ({"status": "overdue", "isActive": True}, False, False),
        ({"status": "PENDING"}, False, False),
        ({"status": "Paused", "isActive": False}, False, False),
        ({"status": "TRIAL"}, False, False),
        ({"status": "trialing"}, False, False),
        ({"status": "CANCELED"}, False, True),
        ({"status": "CANCELLED", "isActive": True}, False, True),
        ({"status": "expired"}, False, True),
        ({"status": "SOMETHING_NEW"}, False, True),
        ({"status": None, "isActive": True}, True, False),
        ({"status": "", "isActive": True}, True, False),
        ({"status": " ", "isActive": False}, False, True),
        ({"status": None}, False, True),
    ],
)
def test_what_a_status_means(fields: dict[str, Any], active: bool, ended: bool) -> None:
    assert (is_active(contract(**fields)), has_ended(contract(**fields))) == (active, ended)


class TestActiveSubscriber:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"status": "active"},
            {"contractDuration": "RECURRING"},
            {"contractDuration": "RENEWABLE"},
            {"contractDuration": "renewable"},
            {"recurringInterval": "MONTH"},
            {"contractDuration": "SOMETHING_NEW", "recurringInterval": "YEAR"},
            {"status": None, "isActive": True},
        ],
    )
    def test_has_it(self, fields: dict[str, Any]) -> None:
        assert tags(contract(**fields)) == ["sesamy_active_subscriber"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "CANCELLED"},
            {"status": "CANCELED"},
            {"status": "expired"},
            {"status": "expired", "isActive": True},
            {"status": None},
            {"contractDuration": "SOMETHING_NEW"},
        ],
    )
    def test_has_it_not(self, fields: dict[str, Any]) -> None:
        assert tags(contract(**fields)) == []

    def test_one_of_many_is_enough(self) -> None:
        ended = [contract(id=f"c{number}", status="EXPIRED") for number in range(3)]

        assert tags(*ended, contract()) == ["sesamy_active_subscriber"]


class TestOverdueContract:
    @pytest.mark.parametrize("status", ["OVERDUE", "overdue", " Overdue"])
    def test_is_not_an_active_subscriber(self, status: str) -> None:
        assert tags(contract(status=status, isActive=True)) == ["sesamy_overdue_contract"]

    def test_both_where_another_contract_is_active(self) -> None:
        assert tags(contract(), contract(id="c2", status="OVERDUE")) == ["sesamy_active_subscriber", "sesamy_overdue_contract"]


class TestMadeSinglePurchase:
    @pytest.mark.parametrize(
        "thing",
        [
            access(**ARTICLE, origin=PAYMENTS),
            access(**ARTICLE, origin=PAYMENTS, hasAccess=False),
            access(type="ARTICLE", origin={"type": "payments"}, hasAccess=None),
            contract(contractDuration="PERPETUAL", status="ACTIVE"),
            contract(contractDuration="perpetual", status="EXPIRED"),
            contract(status="CANCELLED", items=[{"sku": "s", "purchaseType": "OWN"}]),
            contract(status="CANCELLED", items=[{"sku": "s", "purchaseType": "own"}]),
            contract(status="CANCELLED", items=[{"sku": "s", "purchaseType": "SINGLE"}]),
            contract(status="CANCELLED", items=[{"sku": "s"}, {"sku": "t", "purchaseType": "single"}]),
        ],
    )
    def test_is_permanent(self, thing: Contract | Entitlement) -> None:
        assert tags(thing) == ["sesamy_made_single_purchase"]

    @pytest.mark.parametrize(
        "thing",
        [
            access(**ARTICLE),
            access(**ARTICLE, origin={}),
            access(type="podcast", origin=PAYMENTS),
            access(origin=PAYMENTS),
            contract(status="CANCELLED", items=[{"sku": "s", "purchaseType": "RECURRING"}]),
            contract(status="CANCELLED", items=[]),
        ],
    )
    def test_has_it_not(self, thing: Contract | Entitlement) -> None:
        assert tags(thing) == []

    def test_stays_beside_a_subscription(self) -> None:
        bought = access(**ARTICLE, origin={"type": "PAYMENTS", "contractId": "c2"})

        assert tags(contract(), bought) == ["sesamy_active_subscriber", "sesamy_made_single_purchase"]

    @pytest.mark.parametrize(
        ("fields", "bought"),
        [
            ({}, False),
            ({"contractDuration": "RECURRING"}, False),
            ({"contractDuration": "RENEWABLE", "items": [{"sku": "s", "purchaseType": "RECURRING"}]}, False),
            ({"recurringInterval": "MONTH"}, False),
            ({"status": "EXPIRED"}, False),
            ({"status": "EXPIRED", "contractDuration": "SOMETHING_NEW"}, True),
            ({"contractDuration": "PERPETUAL"}, True),
            ({"items": [{"sku": "s", "purchaseType": "OWN"}]}, True),
            ({"id": "c2"}, True),
        ],
    )
    def test_an_article_that_comes_with_a_subscription_was_not_bought(self, fields: dict[str, Any], bought: bool) -> None:
        """One whose contract is not listed was: contracts of what is bought once leave the list."""
        found = tags(contract(**fields), access(**ARTICLE, origin=PAYMENTS))

        assert ("sesamy_made_single_purchase" in found) is bought

    def test_an_article_without_a_contract_was_bought(self) -> None:
        assert tags(contract(status="EXPIRED"), access(**ARTICLE, origin={"type": "PAYMENTS"})) == ["sesamy_made_single_purchase"]


class TestHasExternalAccess:
    def test_where_access_comes_from_outside(self) -> None:
        assert tags(access(origin=EXTERNAL)) == ["sesamy_has_external_access"]
        assert tags(access(origin={"type": "external"})) == ["sesamy_has_external_access"]

    @pytest.mark.parametrize(
        "fields", [{"hasAccess": False, "origin": EXTERNAL}, {"hasAccess": None, "origin": EXTERNAL}, {"origin": PAYMENTS}, {}]
    )
    def test_has_it_not(self, fields: dict[str, Any]) -> None:
        assert tags(access(**fields)) == []

    def test_an_article_from_outside_is_no_purchase(self) -> None:
        assert tags(access(**ARTICLE, origin=EXTERNAL)) == ["sesamy_has_external_access"]


class TestHasGiftedSubscription:
    GIFTED = "sesamy_has_gifted_subscription"

    @pytest.mark.parametrize(
        "fields",
        [
            {"isGift": True},
            {"isGift": 1},
            {"isGift": "true"},
            {"giftMode": True},
            {"giftMode": "EMAIL"},
            {"payer": {"id": "email|bob"}},
            {"payer": {"email": "bob@example.com"}},
            {"payer": {"id": "email|ann", "email": "bob@example.com"}},
            {"payerEmail": "bob@example.com"},
            {"payer": {}, "payerEmail": "bob@example.com"},
            {"userId": "email|ann", "payer": {"id": "email|bob"}},
        ],
    )
    @pytest.mark.parametrize("status", ["ACTIVE", "OVERDUE"])
    def test_where_somebody_else_pays(self, fields: dict[str, Any], status: str) -> None:
        assert self.GIFTED in tags(contract(status=status, **fields))

    @pytest.mark.parametrize(
        "fields",
        [
            {"isGift": False},
            {"isGift": "false"},
            {"isGift": None, "giftMode": None},
            {"giftMode": "NONE"},
            {"giftMode": ""},
            {"giftMode": 0},
            {"payer": None},
            {"payer": {}},
            {"payer": {"id": "email|ann"}},
            {"payer": {"email": " Ann@Example.com "}},
            {"payer": {"id": "cus_17", "email": "ann@example.com"}},
            {"payerEmail": "ANN@example.com"},
            {"payerEmail": "\ufeffann@exam\u200bple.com."},
            {"payerEmail": ""},
            {"payer": {"id": "email|bob"}, "status": "EXPIRED"},
        ],
    )
    def test_has_it_not(self, fields: dict[str, Any]) -> None:
        assert self.GIFTED not in tags(contract(**fields))

    @pytest.mark.parametrize(("ours", "payers"), [("ann@børs.no", "Ann@XN--BRS-0NA.no"), ("ann@xn--brs-0na.no", "ann@BØRS.no")])
    def test_both_spellings_of_a_domain_are_one(self, ours: str, payers: str) -> None:
        assert self.GIFTED not in tags(contract(payerEmail=payers), profile={"email": ours})

    def test_a_payers_address_says_nothing_where_ours_is_unknown(self) -> None:
        assert self.GIFTED not in tags(contract(payerEmail="bob@example.com"), profile={"email": None})


class TestActiveEntitlement:
    def test_names_product_sku_and_option(self) -> None:
        one = access(title="Premium Magazine", sku="sid:fGb4GbMUclADQtBxoX1rl", purchaseOption="Monthly 99 kr")

        assert tags(one) == [
            "sesamy_active_entitlement_premium-magazine",
            "sesamy_active_sku_po_sid-fgb4gbmucladqtbxox1rl-monthly-99-kr",
            "sesamy_active_sku_sid-fgb4gbmucladqtbxox1rl",
        ]

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"title": "A"}, ["sesamy_active_entitlement_a"]),
            ({"sku": "s1"}, ["sesamy_active_sku_s1"]),
            ({"sku": "s1", "purchaseOption": ""}, ["sesamy_active_sku_s1"]),
            ({"sku": "s1", "purchaseOption": "--"}, ["sesamy_active_sku_s1"]),
            ({"sku": "::", "purchaseOption": "year"}, []),
            ({"purchaseOption": "year"}, []),
            ({"title": "!!!", "sku": ""}, []),
            ({"title": "A", "sku": "s1", "hasAccess": False}, []),
            ({"title": "A", "sku": "s1", "hasAccess": None}, []),
        ],
    )
    def test_what_is_missing_makes_no_tag(self, fields: dict[str, Any], expected: list[str]) -> None:
        assert tags(access(**fields)) == expected

    def test_access_counts_even_where_its_time_is_over(self) -> None:
        assert tags(access(sku="s1", expiresAt="2001-01-01T00:00:00Z")) == ["sesamy_active_sku_s1"]

    def test_alike_ones_make_one_tag(self) -> None:
        assert tags(access(title="A", sku="S1"), access(id="e2", title="a", sku="s1")) == [
            "sesamy_active_entitlement_a",
            "sesamy_active_sku_s1",
        ]


class TestCustomTags:
    def test_come_from_the_profile(self) -> None:
        profile = {"tags": ["VIP", "Long Reader", "", "???", "vip", "sesamy_x"]}

        assert tags(profile=profile) == ["sesamy_tag_long-reader", "sesamy_tag_sesamy-x", "sesamy_tag_vip"]

    @pytest.mark.parametrize("profile", [{}, {"tags": None}, {"tags": []}])
    def test_may_be_none(self, profile: dict[str, Any]) -> None:
        assert tags(profile=profile) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Premium Magazine", "premium-magazine"),
        ("  A  --  B  ", "a-b"),
        ("sid:fGb4", "sid-fgb4"),
        ("a/b|c:d_e.f", "a-b-c-d-e-f"),
        ("Børs & Årbok: Ærlig", "børs-årbok-ærlig"),
        ("BØRS", "børs"),
        ("A\u030arbok", "årbok"),
        ("E\u0301t\u00e9", "été"),
        ("Новости 24", "новости-24"),
        ("99 kr", "99-kr"),
        ("a\x00b\r\nc", "a-b-c"),
        ("😀", ""),
        ("-", ""),
        ("", ""),
    ],
)
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [(83, 83 + 11), (88, 99), (89, 99), (500, 99)],
)
def test_a_whole_tag_has_at_most_99_characters(length: int, expected: int) -> None:
    (tag,) = tags(profile={"tags": ["ø" * length]})

    assert len(tag) == expected
    assert tag.startswith("sesamy_tag_øøø")


def test_a_cut_leaves_no_hyphen_behind() -> None:
    (tag,) = tags(profile={"tags": ["x" * 87 + " tail"]})

    assert tag == "sesamy_tag_" + "x" * 87


def test_what_is_alike_after_the_cut_is_one_tag() -> None:
    assert len(tags(profile={"tags": ["x" * 100 + "a", "x" * 100 + "b"]})) == 1


@pytest.mark.parametrize(
    ("tag", "ours"),
    [
        ("sesamy_active_subscriber", True),
        ("sesamy_active_entitlement_Premium Magazine", True),
        ("sesamy_anything", True),
        ("sesamy_", True),
        ("sesamy", False),
        ("sesamy-vip", False),
        ("my_sesamy_tag", False),
        ("Sesamy_VIP", False),
        ("SESAMY_VIP", False),
        (" sesamy_vip", False),
        ("\u017fesamy_vip", False),
        ("", False),
        ("Sesamy_Active_Subscriber", True),
        ("SESAMY_OVERDUE_CONTRACT", True),
        ("Sesamy_made_single_purchase", True),
        ("Sesamy_Has_External_Access", True),
        ("Sesamy_Has_Gifted_Subscription", True),
        ("Sesamy_Active_Subscribers", False),
        (" Sesamy_Active_Subscriber", False),
        ("SESAMY_TAG_VIP", True),
        ("Sesamy_Tag_Long-Reader", True),
        ("Sesamy_Tag_Long Reader", False),
        ("Sesamy_Tag_", False),
        ("Sesamy_Tag_-x", False),
        ("Sesamy_Active_Entitlement_Magazine", True),
        ("Sesamy_Active_SKU_sid-1", True),
        ("Sesamy_Active_SKU_PO_sid-1-month", True),
        ("Sesamy_Active_SKU_a_b", False),
        ("Sesamy_Tag_" + "x" * 88, True),
        ("Sesamy_Tag_" + "x" * 89, False),
    ],
)
def test_which_tags_at_make_are_ours(tag: str, ours: bool) -> None:
    """In capitals only what we could have written: the five fixed tags, and the four prefixes with a slug."""
    assert PREFIX == "sesamy_"
    assert is_ours(tag) is ours
    assert others([tag], []) == ([] if ours else [tag])


def test_a_tag_in_capitals_is_ours_where_its_lower_case_is_wanted() -> None:
    assert is_ours("Sesamy_X", ["sesamy_x"])
    assert not is_ours("Sesamy_X", ["sesamy_y"])


@pytest.mark.parametrize(
    ("found", "wanted", "gone", "kept"),
    [
        (["sesamy_a"], ["sesamy_a"], [], []),
        (["sesamy_A"], ["sesamy_a"], [], []),
        (["sesamy_a "], ["sesamy_a"], [], []),
        (["sesamy_b"], ["sesamy_a"], ["sesamy_b"], []),
        (["Sesamy_Active_Subscriber"], [], ["Sesamy_Active_Subscriber"], []),
        (["Sesamy_Active_Subscriber"], ["sesamy_active_subscriber"], ["Sesamy_Active_Subscriber"], []),
        (["SESAMY_TAG_VIP"], ["sesamy_tag_vip"], ["SESAMY_TAG_VIP"], []),
        (["Sesamy_VIP", "quiz"], ["sesamy_a"], [], ["Sesamy_VIP", "quiz"]),
        (["quiz", "sesamy_old", "Sesamy"], [], ["sesamy_old"], ["quiz", "Sesamy"]),
    ],
)
def test_what_is_stale_and_what_is_anothers(found: list[str], wanted: list[str], gone: list[str], kept: list[str]) -> None:
    assert (stale(found, in_clear(wanted)), others(found, wanted)) == (gone, kept)


@pytest.mark.parametrize(
    ("wanted", "found", "then"),
    [
        ([], [], ()),
        (["sesamy_z"], ["sesamy_made_single_purchase"], ("sesamy_made_single_purchase", "sesamy_z")),
        (["sesamy_a"], ["Sesamy_Made_Single_Purchase"], ("sesamy_a", "sesamy_made_single_purchase")),
        (["sesamy_made_single_purchase"], ["sesamy_made_single_purchase"], ("sesamy_made_single_purchase",)),
        (["sesamy_a"], ["sesamy_active_subscriber", "made_single_purchase"], ("sesamy_a",)),
    ],
)
def test_a_single_purchase_lasts(wanted: list[str], found: list[str], then: tuple[str, ...]) -> None:
    assert with_lasting(wanted, found) == then


# ---- Wanted tags that are kept as they are, or as what they come to ----


def shortened(tag: str) -> int:
    return len(tag)


def test_wanted_tags_in_clear_are_found_exactly_and_without_case() -> None:
    wanted = in_clear(["sesamy_tag_Å", "sesamy_a"])

    assert ("sesamy_tag_Å" in wanted, "sesamy_tag_å" in wanted, None in wanted) == (True, False, False)
    assert (wanted.has_folded("SESAMY_TAG_å"), wanted.has_folded("sesamy_b")) == (True, False)


def test_what_is_lacking_is_told_without_case() -> None:
    wanted = in_clear(["sesamy_a", "sesamy_B"])

    assert wanted.lacking(["SESAMY_A", "VIP"]) == {"sesamy_b"}
    assert wanted.lacking([]) == {"sesamy_a", "sesamy_b"}
    assert wanted.lacking(["sesamy_a", "sesamy_b"]) == set()


def test_of_wanted_tags_only_what_they_come_to_is_kept() -> None:
    wanted = Wanted.of(["sesamy_abc"], shortened)

    assert wanted.folded == {10}
    assert ("sesamy_xyz" in wanted, "sesamy_" in wanted) == (True, False)
    assert wanted.lacking(["sesamy_"]) == {10}
    assert wanted.lacking(["0123456789"]) == set()


def test_what_is_stale_may_be_told_by_what_tags_come_to() -> None:
    found = ["sesamy_a", "Sesamy_B", "VIP", "sesamy_A", "SESAMY_TAG_X"]
    for tags in (["sesamy_a"], ["sesamy_b"], []):
        assert stale(found, Wanted.of(tags, hash)) == stale(found, in_clear(tags))


def test_custom_tags_come_in_the_order_of_the_profile_and_may_come_twice() -> None:
    assert list(custom_tags(Profile(tags=["Zeta", "a", "", "A"]))) == ["sesamy_tag_zeta", "sesamy_tag_a", "sesamy_tag_a"]
    assert list(custom_tags(Profile())) == []


def test_of_a_profiles_own_tags_the_first_thousand_count() -> None:
    assert list(custom_tags(Profile(tags=[f"t{number}" for number in range(1001)])))[-1] == "sesamy_tag_t999"


@pytest.mark.parametrize(
    ("fields", "email", "gifted"),
    [
        ({}, "ann@example.com", False),
        ({"isGift": True}, None, True),
        ({"payerEmail": "bob@example.com"}, "ann@example.com", True),
        ({"payerEmail": "ANN@example.com"}, "ann@example.com", False),
        ({"payerEmail": "bob@example.com"}, None, False),
        ({"payer": {"id": "bob"}}, None, True),
        ({"payer": {"id": "email|ann"}}, None, False),
        ({"payerEmail": "17"}, "17", False),
        ({"payerEmail": "17"}, "18", True),
    ],
)
def test_a_gift_is_told_by_addresses_or_by_what_stands_for_them(fields: dict[str, Any], email: str | None, gifted: bool) -> None:
    assert is_gifted(contract(**fields), "email|ann", email) is gifted

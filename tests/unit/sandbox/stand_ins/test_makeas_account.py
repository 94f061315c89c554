"""One customer's data at Make.as' stand-in: what persons and other tools do with it."""

from consumer.sandbox.stand_ins.makeas_account import Account

ANN = "Ann@example.com"


def test_a_contact_keeps_its_tags_and_lists_where_a_person_moves_it() -> None:
    account = Account("1001", "k", {"1"})
    row = account.contact(ANN, tags=["vip", "sesamy_made_single_purchase"])
    account.leave(ANN, list_id="1")
    account.move(ANN, "bo@example.com")
    assert account.contacts == {"bo@example.com": row}
    assert account.by_hand["bo@example.com"] == {"vip"}
    assert account.bought_once == {"bo@example.com"}
    assert account.left_lists("BO@example.com") == {"1"}
    assert account.by_id("1") is row
    account.remove("bo@example.com")
    assert account.by_id("1") is None


def test_a_contact_that_is_put_back_has_left_nothing_that_it_is_put_on() -> None:
    account = Account("1001", "k", {"1", "2"})
    account.contact(ANN)
    for one in ("1", "2"):
        account.leave(ANN, list_id=one)
    account.leave(ANN)
    account.put_back(ANN, [])
    assert account.contacts[ANN.lower()]["email_status"] == "unsubscribed"
    account.put_back(ANN, ["1"])
    assert account.contacts[ANN.lower()]["email_status"] == "active"
    assert account.left_lists(ANN) == {"2"}


def test_the_calls_that_read_show_tags_with_their_ids_where_they_are_written_by_id() -> None:
    account = Account("1001", "k", {"1"})
    account.add_tag(account.contact(ANN)["email"], "vip")
    assert (account.told.contact_tags, account.told.row_tags) == ("text", "text")
    account.ways.tags = "ids"
    assert (account.told.contact_tags, account.told.row_tags) == ("objects", "objects")
    assert [*account.catalogue.titles.values()] == ["vip"]

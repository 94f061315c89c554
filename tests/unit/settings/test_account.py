"""The accounts of a vendor: which lists share one, and what it is called."""

from pathlib import Path

from tests.unit.settings.test_load import read, with_vendor


def test_lists_that_share_a_credential_are_one_account(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("same")
    file = f"{{ file = '{tmp_path / 'k'}' }}"
    rows = [
        ("1001", "'a'", "1"),
        ("1001", "'a'", "2"),
        ("1001", "'b'", "3"),
        ("1001", file, "4"),
        ("1002", "'a'", "5"),
        ("1001", file, "6"),
    ]
    makeas = ", ".join(f"{{ userId = '{user}', apiKey = {key}, listId = '{one}' }}" for user, key, one in rows)
    settings = read(tmp_path, with_vendor(f"[{makeas}]"))

    assert [(account.id, account.lists) for account in settings.accounts] == [
        ("1001", ("1", "2")),
        ("1001-2", ("3",)),
        ("1001-3", ("4", "6")),
        ("1002", ("5",)),
    ]


def test_vendors_with_the_same_credential_share_its_id(tmp_path: Path) -> None:
    one = "{ userId = '1', apiKey = 'k', listId = '7' }"
    settings = read(tmp_path, with_vendor(one, vendor="a") + with_vendor(one, vendor="b"))

    assert [(account.id, account.vendor) for account in settings.accounts] == [("1", "a"), ("1", "b")]
    assert [account.vendor for account in settings.accounts_of("b")] == ["b"]
    assert settings.accounts_of("nobody") == ()


def test_an_account_id_is_fit_for_a_label(tmp_path: Path) -> None:
    """An address as Make's user id names no metric; a user id that looks numbered takes nobody's id."""
    rows = [("ann@example.com", "a"), ("1-2", "a"), ("1", "a"), ("1", "b")]
    makeas = ", ".join(f"{{ userId = '{user}', apiKey = '{key}', listId = '1' }}" for user, key in rows)
    ids = [account.id for account in read(tmp_path, with_vendor(f"[{makeas}]")).accounts]

    assert ids[0].startswith("account-")
    assert "@" not in ids[0]
    assert ids[1:] == ["1-2", "1", "1-3"]


def test_a_list_has_a_name_and_may_be_paused(tmp_path: Path) -> None:
    rows = "{ userId = '1', apiKey = 'k', listId = '7', name = 'Morgenbrev' }, { userId = '1', apiKey = 'k', listId = '8', paused = true }"
    (account,) = read(tmp_path, with_vendor(f"[{rows}]")).accounts

    assert account.lists == ("7", "8")
    assert account.names == {"7": "Morgenbrev"}
    assert account.paused == {"8"}


def test_a_list_that_one_vendor_pauses_is_paused_for_whoever_writes_to_it_with_the_same_credential(tmp_path: Path) -> None:
    """And the account is the credential's, paused or not: what is known of who left is by it."""
    row = "{{ userId = '1', apiKey = 'k', listId = '{}'{} }}".format
    a = with_vendor(f"[{row('7', ', paused = true')}, {row('8', '')}]", vendor="a")
    settings = read(tmp_path, with_vendor(row("7", ""), vendor="b") + a)

    assert [(one.vendor, one.id, one.lists, sorted(one.paused)) for one in settings.accounts] == [
        ("b", "1", ("7",), ["7"]),
        ("a", "1", ("7", "8"), ["7"]),
    ]


def test_the_ids_of_accounts_do_not_change_where_all_who_use_one_pause_it(tmp_path: Path) -> None:
    one = "{ userId = '1', apiKey = 'k', listId = '7', paused = true }"
    settings = read(tmp_path, with_vendor(one, vendor="a") + with_vendor(one, vendor="b"))

    assert [one.id for one in settings.accounts] == ["1", "1"]

"""The town says which of its readers are to be written, always in the same order, and by which address."""

from pathlib import Path

from consumer.sandbox.town import PLACES, VENDORS, town


async def test_a_reader_is_one_that_is_to_be_written(tmp_path: Path) -> None:
    async with town(tmp_path, readers=40) as here:
        for vendor in VENDORS:
            writable = here.writable(vendor)

            assert writable == sorted(here.readers(vendor) - {user for user in here.readers(vendor) if here.is_skipped(vendor, user)})
            assert 0 < len(writable) < len(here.readers(vendor))
            assert not any(user.startswith("guest|") for user in writable)
            assert [here.reader(vendor), here.reader(vendor, 2)] == [writable[0], writable[2]]


async def test_an_address_is_as_an_account_knows_its_contacts(tmp_path: Path) -> None:
    async with town(tmp_path, readers=2) as here:
        user = here.reader(VENDORS[0])
        here.sesamy.users[VENDORS[0]][user]["profile"]["email"] = "Ann@Example.com"

        assert here.address(VENDORS[0], user) == "ann@example.com"


async def test_a_place_has_contacts_to_try_the_api_with_that_are_no_readers(tmp_path: Path) -> None:
    async with town(tmp_path, readers=20) as here:
        trial, account = here.trial(PLACES[0]), here.account(PLACES[0])
        assert here.trial(PLACES[0]) == trial
        assert account.contacts[trial.opted_out]["email_status"] == "unsubscribed"
        assert not {*trial.emails} & account.contacts.keys()
        addresses = {here.address(VENDORS[0], user) for user in here.writable(VENDORS[0])}
        assert not addresses & {*trial.emails, trial.opted_out}

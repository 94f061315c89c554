"""What would be written, in kinds and counts."""

from msgspec import structs

from consumer.core.mapping.contact import Contact
from consumer.resync.shadow.would import Would, would_write
from tests.unit.resync.test_makeas import documents

ANN = "Ann@example.com"


def test_a_contact_that_is_not_there_yet_is_new_with_all_that_it_gets() -> None:
    would = would_write(None, documents(rows=2), ["1", "2"])

    assert would == Would(is_new=True, fields=("email", "firstname", "external_id"), tags_added=1, lists_added=("1", "2"), rows=4)
    assert list(would.kinds) == ["contact", "tags", "lists"]


def test_what_differs_is_named_and_counted_and_no_value_is_told() -> None:
    """Another hand's tag stays, and a list that the contact is on already is not added."""
    contact = Contact(id=1, email=ANN, firstname="Anna", external_id="email|ann", tags=["Quiz", "sesamy_old", "sesamy_older"], lists=["1"])
    would = would_write(contact, documents(), ["1", "2"])

    assert would == Would(is_new=False, fields=("firstname",), tags_added=1, tags_removed=2, lists_added=("2",), rows=2)
    assert list(would.kinds) == ["fields", "tags", "lists"]
    assert not {"Ann", "Anna", "Quiz", ANN} & set(str(structs.astuple(would)).replace("'", " ").split())


def test_a_contact_that_is_as_it_is_to_be_is_nothing() -> None:
    contact = Contact(id=1, email=ANN, firstname="Ann", external_id="email|ann", tags=["sesamy_a"], lists=["1"])

    assert list(would_write(contact, documents(rows=0), ["1"]).kinds) == ["nothing"]

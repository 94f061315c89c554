"""Which of several errors matters most."""

from itertools import permutations

from consumer.core.errors import ConsumerError, Denied, Exit, Fatal, Forbidden, Held, Refused, Retryable, Unreadable, weightiest


def test_the_weightiest_error_does_not_depend_on_which_came_first() -> None:
    """A refusal outlasts a failure that passes; a key that is refused, a refusal; and what ends the process, all."""
    rising: list[ConsumerError] = [
        Held("h", code="x"),
        Retryable("r", code="x"),
        Refused("no", code="x"),
        Forbidden("f", code="x"),
        Denied("d", code="x"),
        Fatal("end", code="x", status=Exit.UNAVAILABLE),
    ]
    for count in range(1, len(rising) + 1):
        for some in permutations(rising[:count], min(count, 3)):
            assert weightiest(some) is max(some, key=rising.index)


def test_of_equals_the_first_is_told() -> None:
    first, second = Retryable("1", code="x"), Retryable("2", code="x")
    assert (weightiest([first, second]), weightiest([Unreadable("u", code="x"), second])) == (first, second)

"""Open offsets against a plain dict."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.ledger import Offsets

steps = st.lists(st.one_of(st.integers(1, 4), st.floats(0, 1, exclude_max=True)), max_size=200)


@given(steps)
def test_it_is_an_ordered_dict_that_stays_small(steps: list[int | float]) -> None:
    """An integer adds an offset so far behind the last; a float removes the one at that part of what is open."""
    offsets, model, last = Offsets(), {}, -1
    for step in steps:
        if isinstance(step, int):
            last += step
            offsets.add(last, last * 10)
            model[last] = last * 10
        elif model:
            gone = sorted(model)[int(step * len(model))]
            offsets.remove(gone)
            del model[gone]
        assert len(offsets) == len(model)
        assert offsets.oldest() == next(iter(model.items()), None)
        assert len(offsets._offsets) <= 2 * len(model) + 1


@given(st.sets(st.integers(0, 50)), st.integers(0, 50))
def test_removing_what_is_not_open_is_an_error(opened: set[int], one: int) -> None:
    offsets = Offsets()
    for offset in sorted(opened):
        offsets.add(offset, 0)
    for _ in range(2):
        try:
            offsets.remove(one)
        except KeyError:
            assert one not in opened
        else:
            assert one in opened
            opened.discard(one)

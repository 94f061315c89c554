"""What was passed over, with the command that makes good for it."""

import time

import pytest

from tests.clock import virtual
from tests.unit.pod.status.test_report import status, well


@virtual
async def test_an_unknown_vendor_comes_with_the_command_that_makes_it_good_whatever_its_name() -> None:
    pod = well()
    pod.unknown.note("a; rm", 2, 7, at_ms=1_000_500)
    pod.unknown.note("old", 1, 9, at_ms=-1)
    pod.unknown_types.note("x#y", 0, 3, at_ms=2_000_000)
    said = status(pod)

    assert [one.replay for one in said.unknown_vendors] == [
        "sesamy-makeas replay --vendor 'a; rm' --from-time 1970-01-01T00:16:40.500Z",
        "sesamy-makeas replay --vendor old --from-offset 1:9",
    ]
    assert [one.replay for one in said.unknown_types] == ["sesamy-makeas replay --unknown-types --from-time 1970-01-01T00:33:20.000Z"]


def test_a_time_that_is_ahead_of_ours_is_no_time_to_begin_at(monkeypatch: pytest.MonkeyPatch) -> None:
    @virtual
    async def run() -> None:
        monkeypatch.setattr(time, "time", lambda: 1000.0)
        pod = well()
        pod.unknown.note("v9", 0, 0, at_ms=9_999_999_999)
        said = status(pod)
        assert said.unknown_vendors[0].replay.endswith("--from-time 1970-01-01T00:16:40.000Z")

    run()

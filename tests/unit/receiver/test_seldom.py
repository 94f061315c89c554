"""A line for each kind of refusal, now and then."""

import pytest

from consumer.receiver.seldom import Seldom


def test_one_line_in_ten_seconds_of_each_kind_and_the_next_says_how_many_were_held_back(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    seldom = Seldom(lambda: now)
    for second in range(25):
        now = float(second)
        for code in ("wrong-secret", "no-json"):
            for _ in range(3):
                seldom.warn("webhook refused", code=code, status=401)

    lines = [dict(record.msg) for record in caplog.records]  # type: ignore[arg-type]
    assert [(one["code"], one.get("repeated")) for one in lines] == [
        ("wrong-secret", None),
        ("no-json", None),
        ("wrong-secret", 29),
        ("no-json", 29),
        ("wrong-secret", 29),
        ("no-json", 29),
    ]

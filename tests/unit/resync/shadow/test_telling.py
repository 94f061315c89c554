"""What a dry run says of a write it does not make: counts, and a line without a value."""

from typing import Any

import pytest

from consumer.resync.shadow.telling import tell
from consumer.resync.shadow.would import Would
from consumer.telemetry.metrics import Metrics
from tests.simulation.settings import SETTINGS

ACCOUNT = SETTINGS.accounts[0]


def test_each_kind_is_counted_and_a_line_says_which_fields_and_how_many_tags(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="consumer")
    metrics = Metrics(SETTINGS)
    told = tell(ACCOUNT, metrics)

    would = Would(is_new=False, fields=("firstname",), tags_added=2)
    told("ann", ("1", "2"), would)

    lines: list[Any] = [one.msg for one in caplog.records]
    assert [{name: value for name, value in line.items() if value} for line in lines] == [
        {
            "event": "would write",
            "vendor": ACCOUNT.vendor,
            "user": "ann",
            "account": ACCOUNT.id,
            "list": "1,2",
            "kind": ",".join(would.kinds),
            "fields": "firstname",
            "tags_added": 2,
        }
    ]
    for kind in would.kinds:
        assert metrics.registry.get_sample_value("sesamy_makeas_would_write_total", {"account": ACCOUNT.id, "kind": kind}) == 1


def test_where_nothing_would_change_it_is_counted_and_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="consumer")
    metrics = Metrics(SETTINGS)
    nothing = Would(is_new=False)
    assert nothing.is_nothing
    tell(ACCOUNT, metrics)("ann", ("1",), nothing)
    assert caplog.records == []
    (kind,) = nothing.kinds
    assert metrics.registry.get_sample_value("sesamy_makeas_would_write_total", {"account": ACCOUNT.id, "kind": kind}) == 1

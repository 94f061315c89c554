"""What the clients of both sides are told to count."""

import logging

import pytest

from consumer.telemetry import Metrics
from consumer.upstreams import _note_odd
from tests.metrics_table import one_of_each


def test_an_odd_field_is_counted_each_time_and_named_once_per_vendor(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(one_of_each())
    note = _note_odd(metrics, "v")
    with caplog.at_level(logging.WARNING, logger="consumer"):
        note(["user.company"])
        note(["user.company", "contracts.createdAt"])
        note([])

    assert metrics.registry.get_sample_value("sesamy_makeas_odd_values_total", {"field": "user.company"}) == 2
    assert metrics.registry.get_sample_value("sesamy_makeas_odd_values_total", {"field": "entitlements"}) == 0
    assert [str(line.msg["field"]) for line in caplog.records if isinstance(line.msg, dict)] == ["user.company", "contracts.createdAt"]

"""What a receiver counts."""

from prometheus_client import generate_latest

from consumer.telemetry.metrics import Metrics
from consumer.telemetry.receiving import CODES, REASONS, ReceiverMetrics
from tests.generated.metrics_table import one_of_each


def test_all_stands_at_0_before_anything_happened() -> None:
    registry = ReceiverMetrics(one_of_each()).registry
    values = {sample.name: sample.value for metric in registry.collect() for sample in metric.samples}

    labels = {
        "receive_requests_total": [{"code": str(code)} for code in CODES],
        "receive_refused_total": [{"reason": one} for one in REASONS],
    }
    for name, some in labels.items():
        assert [registry.get_sample_value(f"sesamy_makeas_{name}", one) for one in some] == [0.0] * len(some)
    assert values["sesamy_makeas_receive_in_flight"] == 0.0


def test_nothing_of_a_pods_is_among_them_that_an_alert_could_take_for_one() -> None:
    """But what belongs to any process."""

    def names(made: Metrics | ReceiverMetrics) -> set[str]:
        return {line.split()[2] for line in generate_latest(made.registry).decode().splitlines() if line.startswith("# TYPE")}

    both = names(Metrics(one_of_each())) & names(ReceiverMetrics(one_of_each()))
    assert {name.removeprefix("sesamy_makeas_") for name in both} == {
        *("build_info", "settings_info", "debounce_max_wait_seconds", "log_lines_total"),
        *("log_lines_held_back_total", "log_fields_dropped_total"),
    }

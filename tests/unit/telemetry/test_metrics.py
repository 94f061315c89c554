"""Logs: one event is one line with nothing undeclared. Metrics: a finite set, at 0 from the start."""

from typing import Any

from consumer.settings.model import ListSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics

# ---- Metrics ----


def settings() -> Settings:
    lists = [ListSettings(user_id="1001", api_key=Secret("text", "k"), list_id=one) for one in ("7", "8")]
    client = SesamyCredentials(client_id="c", client_secret=Secret("text", "s"))
    return Settings(vendors=tuple(VendorSettings(id=vendor, sesamy=client, makeas=tuple(lists)) for vendor in ("a", "b")))


def samples(registry: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for metric in registry.collect() for sample in metric.samples}


def test_every_label_set_begins_at_zero() -> None:
    found = samples(Metrics(settings()).registry)
    counted = {key: value for key, value in found.items() if key[0].endswith(("_total", "_count")) and "log_" not in key[0]}

    assert set(counted.values()) == {0.0}
    for expected in (
        ("sesamy_makeas_resyncs_total", (("outcome", "skipped_no_email"), ("vendor", "b"))),
        ("sesamy_makeas_records_total", (("outcome", "tombstone"),)),
        ("sesamy_makeas_freshness_seconds_count", (("account", "1001"), ("list", "8"))),
        ("sesamy_makeas_commits_total", (("result", "refused"),)),
        ("sesamy_makeas_consent_kept_total", (("account", "1001"),)),
        ("sesamy_makeas_upstream_request_duration_seconds_count", (("upstream", "sesamy:a"),)),
    ):
        assert expected in counted


def test_names_follow_the_conventions() -> None:
    for metric in Metrics(settings()).registry.collect():
        assert metric.name.startswith("sesamy_makeas_")
        assert metric.documentation.endswith(".")
        if metric.type == "histogram":
            assert metric.name.endswith("_seconds")


def test_two_metrics_stand_side_by_side() -> None:
    """Each has a registry of its own."""
    one, other = Metrics(settings()), Metrics(settings())
    one.fetch_errors.inc()

    assert samples(one.registry)["sesamy_makeas_fetch_errors_total", ()] == 1
    assert samples(other.registry)["sesamy_makeas_fetch_errors_total", ()] == 0

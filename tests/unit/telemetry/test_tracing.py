"""Whether there are traces: the variables mean what they say, and OpenTelemetry is there only where it is wanted."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from consumer.core.errors import Fatal
from consumer.core.model import UserKey
from consumer.telemetry.tracing import Traces, tracing
from tests.simulation.settings import SETTINGS
from tests.unit.telemetry.test_logs import Lines

ANN = UserKey("v1", "ann")


def test_a_pod_without_a_collector_imports_nothing_of_opentelemetry() -> None:
    """It is an extra, and makes every start longer."""
    program = "import sys, consumer.pod.process; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set variables; at first there is a collector that nobody runs."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


@contextmanager
def traced() -> Iterator[Traces]:
    with tracing(SETTINGS, os.environ) as made:
        assert made is not None
        yield made


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_EXPORTER", " None"), ("OTEL_SDK_DISABLED", "true")]
)
def test_what_says_off_is_off(environ: Callable[..., None], name: str, value: str) -> None:
    environ(**{name: value})
    with tracing(SETTINGS, os.environ) as made:
        assert made is None


def test_an_exporter_named_otlp_is_on(environ: Callable[..., None]) -> None:
    environ(OTEL_TRACES_EXPORTER="otlp")
    with tracing(SETTINGS, os.environ) as made:
        assert made is not None


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "sesamy-makeas"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=news,service.name="}, "sesamy-makeas"),
        ({"OTEL_SERVICE_NAME": "", "OTEL_RESOURCE_ATTRIBUTES": "a=service.name"}, "sesamy-makeas"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=news, service.name=theirs"}, "theirs"),
        ({"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs"}, "mine"),
    ],
)
def test_the_service_is_named_by_the_environment_or_else_by_us(environ: Callable[..., None], variables: dict[str, str], name: str) -> None:
    environ(**variables)
    with traced() as made:
        spans: Any = made
        assert spans._tracer.resource.attributes["service.name"] == name
        assert ("team" in spans._tracer.resource.attributes) == ("team" in variables.get("OTEL_RESOURCE_ATTRIBUTES", ""))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-4711"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "4711x"),
        ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "x4711"),
    ],
)
def test_a_value_that_opentelemetry_refuses_is_a_setting_to_correct(environ: Callable[..., None], name: str, value: str) -> None:
    environ(**{name: value})
    with pytest.raises(Fatal) as refused, traced():
        pass

    assert (refused.value.status, refused.value.code) == (78, "otel-variable")
    assert "OTEL_*: correct it, or take it away" in str(refused.value)
    assert value not in str(refused.value)
    assert refused.value.__suppress_context__


def test_without_the_extra_a_collector_is_a_setting_to_correct(environ: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    environ()
    monkeypatch.delitem(sys.modules, "consumer.telemetry.traces", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(Fatal) as refused, traced():
        pass

    assert (refused.value.status, refused.value.code) == (78, "no-otel")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Bearer SECRET"}, "Header format invalid!"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20SEC%0ARET"}, "Failed to export %s batch code: %s, reason: %s"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9/?api_key=SECRET", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}, "Transient error %s"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "SECRET"}, "Failed to export %s batch code: %s, reason: %s"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "SECRET"}, "Invalid key value resource attribute pair %s: %s"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "SECRET"}, "Unsupported compression type: %s"),
    ],
)
def test_no_secret_of_a_variable_is_logged(environ: Callable[..., None], variables: dict[str, str], said: str) -> None:
    environ(**variables)
    with Lines(as_json=True) as lines, traced() as made, made.resync(ANN) as ended:
        ended("synced")

    assert any(line["event"].startswith(said) for line in lines.json()), lines.text
    assert [word for word in ("SECRET", "SEC\\nRET", "RET'", "api_key") if word in lines.text] == []

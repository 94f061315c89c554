"""Variables that are close to a setting's name are said; those of others, and Kubernetes' own, are not."""

import pytest

from consumer.settings.environment import misspelt, variables
from consumer.settings.secret import Secret


def test_each_variable_gives_a_setting() -> None:
    assert variables()["KAFKA_TOPIC"] == "kafka.topic"
    assert variables()["DEBOUNCE_QUIET_S"] == "debounce.quiet_s"


@pytest.mark.parametrize(
    ("name", "meant"), [("KAFKA_TOPICS", "KAFKA_TOPIC (kafka.topic)"), ("WORKERS_CONCURENCY", "WORKERS_CONCURRENCY (workers.concurrency)")]
)
def test_one_that_is_close_is_said_without_its_value(name: str, meant: str) -> None:
    (one,) = misspelt({name: "hunter2-canary"}, [])

    assert (one.level, one.path, one.cure) == ("warning", f"{name} (environment)", f"did you mean {meant}?")
    assert "canary" not in one.what


@pytest.mark.parametrize(
    "name",
    [
        *("KAFKA_TOPIC", "HTTP_PROXY", "PATH", "KAFKA_HOME", "NOTIFY_SOCKET", "XKAFKA_TOPICS"),
        *(
            "KAFKA_PORT",
            "KAFKA_SERVICE_HOST",
            "KAFKA_SERVICE_PORT_TCP",
            "KAFKA_PORT_9092_TCP",
            "KAFKA_PORT_9092_TCP_ADDR",
            "ADMIN_SERVICE_PORT",
        ),
    ],
)
def test_others_are_left_in_peace(name: str) -> None:
    assert list(misspelt({name: "tcp://10.0.0.1:9092"}, [])) == []


def test_one_that_a_secret_comes_from_is_used_and_not_passed_over() -> None:
    secrets = [Secret("env", "KAFKA_PASSWORD", text="p"), Secret("text", "s"), Secret("file", "/KAFKA_TOPICS")]

    assert [one.path for one in misspelt({"KAFKA_PASSWORD": "p", "KAFKA_TOPICS": "t"}, secrets)] == ["KAFKA_TOPICS (environment)"]

"""The advice on settings: a line each, with the place as people know it."""

from consumer.settings.findings import Finding
from consumer.telemetry.advice import advise
from tests.unit.telemetry.test_logs import Lines


def test_each_finding_is_a_warning_with_its_place_and_its_cure() -> None:
    found = [
        Finding(path="kafka.topic", shown="kafka.topic (or KAFKA_TOPIC)", what="odd", cure="mend it"),
        Finding(path="consumer.toml", what="odd", cure="chmod"),
    ]
    with Lines(as_json=True) as lines:
        advise(found)

    said = [(line["level"], line["event"], line["field"], line["cause"]) for line in lines.json()]
    assert said == [
        ("warning", "settings: to think about", "kafka.topic (or KAFKA_TOPIC)", "odd; mend it"),
        ("warning", "settings: to think about", "consumer.toml", "odd; chmod"),
    ]

"""The first line of a pod."""

from consumer import __version__
from consumer.pod.watch.hello import hello
from consumer.settings.model import ListSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret
from tests.simulation.settings import SETTINGS
from tests.unit.telemetry.test_logs import Lines


def test_it_says_what_runs_and_no_secret() -> None:
    key = Secret("text", "CANARY", text="CANARY")
    vendors = tuple(
        VendorSettings(
            id=f"v{number}",
            sesamy=SesamyCredentials(client_id="c", client_secret=key),
            makeas=(ListSettings(user_id="1", api_key=key, list_id=str(number), name="Morgenbrev" if not number else None),),
        )
        for number in range(12)
    )
    settings = Settings(kafka=SETTINGS.kafka, vendors=vendors)
    with Lines(as_json=True) as lines:
        hello(settings)

    (said,) = lines.json()
    assert (said["event"], said["level"], said["version"]) == ("starting", "info", __version__)
    assert (said["topic"], said["group"], said["fingerprint"]) == (SETTINGS.kafka.topic, SETTINGS.kafka.group_id, settings.fingerprint())
    assert said["vendors"] == "12: v0, v1, v2, v3, v4, v5, v6, v7, v8, v9 and 2 more"
    assert said["lists"] == "12: Morgenbrev (0), 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert "CANARY" not in lines.text

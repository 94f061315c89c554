"""Two vendors, three accounts: short times, so that everything happens often."""

from msgspec import structs

from consumer.settings.model import (
    DebounceSettings,
    KafkaSettings,
    ListSettings,
    MakeAsSettings,
    SesamyCredentials,
    SesamySettings,
    Settings,
    VendorSettings,
    WorkerSettings,
)
from consumer.settings.secret import Secret
from tests.simulation.topic import TOPIC


def _list(user_id: str, list_id: str) -> ListSettings:
    return ListSettings(user_id=user_id, api_key=Secret("text", "k", text="k"), list_id=list_id)


SETTINGS = Settings(
    kafka=KafkaSettings(topic=TOPIC, session_timeout_s=10.0, rebalance_timeout_s=30.0),
    debounce=DebounceSettings(quiet_s=1.0, max_wait_s=5.0),
    workers=WorkerSettings(concurrency=4, max_attempts=6, backoff_s=0.5, backoff_max_s=8.0, hold_s=20.0, drain_s=5.0),
    sesamy=SesamySettings(requests_per_minute=3000),
    makeas=MakeAsSettings(requests_per_second=50.0, max_in_flight=3),
    vendors=(
        VendorSettings(
            id="v1",
            sesamy=SesamyCredentials(client_id="c", client_secret=Secret("text", "s", text="s")),
            makeas=(_list("1", "10"), _list("2", "20")),
        ),
        VendorSettings(
            id="v2", sesamy=SesamyCredentials(client_id="c", client_secret=Secret("text", "s", text="s")), makeas=(_list("3", "30"),)
        ),
    ),
)

_OF_V1 = structs.replace(SETTINGS.vendors[0], makeas=(_list("1", "11"), _list("1", "12"), _list("1", "13"), _list("2", "20")))
MANY_LISTS = structs.replace(SETTINGS, vendors=(_OF_V1, SETTINGS.vendors[1]))
"""The same, but that account 1 has three lists."""

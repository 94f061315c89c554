"""A last hour as others read it."""

import msgspec

from consumer.pod.status.hour.shapes import LastHour, ListHour


def test_what_is_not_known_stays_so_over_the_wire() -> None:
    hour = LastHour(events=(None, 0, 3), lists=(ListHour(vendor="v", account="1", list="11", freshness_s=(None, 2.5)),))

    assert msgspec.json.decode(msgspec.json.encode(hour), type=LastHour) == hour

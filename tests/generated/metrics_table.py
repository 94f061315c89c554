"""Writes the table of metrics in `deploy/README.md` from the registry."""

from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.registry import Collector

from consumer.pod.status.gauges import gauges
from consumer.pod.status.tree import Status
from consumer.settings.model import ListSettings, SesamyCredentials, Settings, VendorSettings
from consumer.settings.secret import Secret
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.receiving import ReceiverMetrics

_BEGIN: Final = "<!-- metrics -->"
_END: Final = "<!-- /metrics -->"


def one_of_each() -> Settings:
    """Return settings with one vendor and one list."""
    lists = (ListSettings(user_id="1001", api_key=Secret("text", "k"), list_id="7"),)
    return Settings(
        vendors=(VendorSettings(id="v", sesamy=SesamyCredentials(client_id="c", client_secret=Secret("text", "s")), makeas=lists),)
    )


def metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Give name, kind, labels and sentence of every metric, as a scrape names them."""
    labels: dict[str, tuple[str, ...]] = {}
    families: list[Any] = []
    collectors: list[Collector] = [
        one for made in (Metrics(one_of_each()), ReceiverMetrics(one_of_each())) for one in made.registry._collector_to_names
    ]
    for collector in collectors:
        for family in collector.collect():
            if family.name in labels:  # Of a receiver's process as of a pod's.
                continue
            families.append(family)
            labels[family.name] = tuple(getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", None) or ())
    for family in gauges(Status(), now=0.0):
        families.append(family)
        labels[family.name] = tuple(getattr(family, "_labelnames", ()))
    for family in sorted(families, key=lambda one: one.name):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        yield family.name + suffix, family.type, labels[family.name], family.documentation


def fresh(text: str) -> str:
    """Return the text with the table of now."""
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, "deploy/README.md has lost its marks for the metrics"
    lines = ["| metric | kind | labels | |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {', '.join(f'`{one}`' for one in names)} | {said} |" for name, kind, names, said in metrics()]
    return f"{before}{_BEGIN}\n\n" + "\n".join(lines) + f"\n\n{_END}{after}"

"""Writes the Grafana dashboard, `deploy/monitoring/dashboard.json`."""

import json
from collections.abc import Iterable
from typing import Any, Final

_M: Final = "sesamy_makeas_"
_JOB: Final = 'job=~"$job"'
_WIDTH: Final = 24
_HEIGHT: Final = 8

RECEIVER: Final = "Receivers: from Sesamy's webhook to the topic"
"""The row that draws nothing where no receiver is scraped."""

Query = tuple[str, str]
"""PromQL and legend."""


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({_M}{metric}{{{_JOB}{more}}}[$__rate_interval]))"


def _quantile(q: float, metric: str, by: str) -> str:
    return f"histogram_quantile({q}, {_rate(f'{metric}_bucket', f'{by}, le' if by else 'le')})"


def _gauge(metric: str, by: str, *, how: str = "sum", more: str = "") -> str:
    return f"{how} by ({by}) ({_M}{metric}{{{_JOB}{more}}})"


_ROWS: Final[tuple[tuple[str, tuple[tuple[str, str, str, tuple[Query, ...]], ...]], ...]] = (
    (
        "Are the lists fresh?",
        (
            (
                "Oldest event that waits, by list",
                "Paging begins at 30 minutes without a write. Nothing is drawn where nothing waits.",
                "s",
                ((f"time() - {_gauge('list_oldest_pending_timestamp_seconds', 'vendor, list', how='min')}", "{{vendor}} {{list}}"),),
            ),
            (
                "From event to list, 95 of 100",
                "The debounce is part of it.",
                "s",
                ((_quantile(0.95, "freshness_seconds", "account, list"), "{{account}} {{list}}"),),
            ),
            ("Users owed, by list", "", "short", ((_gauge("list_owed_users", "vendor, list"), "{{vendor}} {{list}}"),)),
        ),
    ),
    (
        "What waits, and for what?",
        (
            (
                "Dirty users, by cause",
                "debounce: a burst may go on. backoff: after a failure. held: shut gates alone. ready: a worker or a rate.",
                "short",
                ((_gauge("dirty_users", "cause"), "{{cause}}"), (_gauge("dirty_users_limit", "job"), "limit")),
            ),
            (
                "Oldest event, by cause",
                "",
                "s",
                ((f"time() - {_gauge('oldest_dirty_timestamp_seconds', 'cause', how='min')}", "{{cause}}"),),
            ),
            ("Gates shut", "", "short", ((_gauge("gate_closed", "upstream, cause", how="max") + " > 0", "{{upstream}} {{cause}}"),)),
            (
                "Users due and users held, by gate",
                "Held: they, and letters, wait for nothing but this gate to open.",
                "short",
                (
                    (_gauge("gate_waiting_users", "upstream"), "{{upstream}} due"),
                    (_gauge("gate_held_users", "upstream"), "{{upstream}} held"),
                ),
            ),
        ),
    ),
    (
        "Work",
        (
            (
                "Records and resyncs",
                "Their ratio is what the debounce saves.",
                "ops",
                ((_rate("records_total", "outcome"), "records: {{outcome}}"), (_rate("events_merged_total", "job"), "merged")),
            ),
            ("Resyncs, by outcome", "", "ops", ((_rate("resyncs_total", "vendor, outcome"), "{{vendor}} {{outcome}}"),)),
            ("Time of a resync, 95 of 100", "", "s", ((_quantile(0.95, "resync_duration_seconds", ""), "resync"),)),
            (
                "Opted-out contacts left out, and who left",
                "",
                "short",
                (
                    (_rate("consent_kept_total", "account"), "{{account}}: left out a second"),
                    (_gauge("list_left", "account, list", how="max"), "{{account}} {{list}}: known to have left"),
                ),
            ),
            (
                "Half-written readers, and bugs",
                "Cut off while they were being written; and what nobody expected of one reader, record or letter.",
                "ops",
                (
                    (_rate("resyncs_half_written_total", "vendor") + " or vector(0)", "{{vendor}} half-written"),
                    (_rate("bugs_total", "stage"), "bug: {{stage}}"),
                ),
            ),
        ),
    ),
    (
        "Upstreams",
        (
            ("Requests, by code", "", "ops", ((_rate("upstream_requests_total", "upstream, code"), "{{upstream}} {{code}}"),)),
            (
                "Time of a request, 95 of 100",
                "",
                "s",
                ((_quantile(0.95, "upstream_request_duration_seconds", "upstream"), "{{upstream}}"),),
            ),
            (
                "What writing spares",
                "Contacts that were as they are to be; readers whose rows went in a shared call, and such calls that were taken apart.",
                "ops",
                (
                    (_rate("writes_spared_total", "account"), "{{account}}: contacts not written"),
                    (_rate("shared_riders_total", "account"), "{{account}}: rows of a reader shared"),
                    (_rate("shared_calls_taken_apart_total", "account"), "{{account}}: calls taken apart"),
                ),
            ),
            ("Second tries", "", "ops", ((_rate("retries_total", "upstream, code") + " or vector(0)", "{{upstream}} {{code}}"),)),
            (
                "Answers that were odd",
                "Fields of Sesamy's that could not be read; successes of Make.as' that say nothing we know.",
                "ops",
                (
                    (_rate("odd_values_total", "field"), "{{field}}"),
                    (_rate("unknown_answers_total", "upstream, op") + " or vector(0)", "{{upstream}} {{op}}"),
                ),
            ),
            (
                "Not kept",
                "What an account takes and does not keep.",
                "short",
                (('max by (account, what) (sesamy_makeas_account_not_kept{job=~"$job"})', "{{account}} {{what}}"),),
            ),
            ("Share of the limits", "", "percentunit", ((_gauge("gate_rate_share_ratio", "instance", how="min"), "{{instance}}"),)),
        ),
    ),
    (
        "Letters",
        (
            (
                "Open letters",
                "",
                "short",
                ((_gauge("dead_letters_open", "job", how="max"), "open"),),
            ),
            (
                "Written and closed",
                "",
                "ops",
                ((_rate("dead_letters_total", "stage, code"), "{{stage}} {{code}}"), (_rate("dead_letters_done_total", "job"), "closed")),
            ),
            (
                "Letters that wait, and whether they can be written",
                "",
                "short",
                (
                    (_gauge("dead_letters_waiting", "job"), "waiting"),
                    (_gauge("dead_letters_writable", "job", how="min"), "writable"),
                    (_gauge("dead_letters_readable", "job", how="min"), "readable"),
                ),
            ),
            (
                "Unknown vendors and event types",
                "",
                "short",
                (
                    (_gauge("unknown_vendors", "job", how="max"), "vendors"),
                    (_gauge("unknown_types", "job", how="max"), "types passed over"),
                ),
            ),
            (
                "Events of users split over partitions",
                "Publishers with different keys or partitioners, or partitions that were added. A pod sees its own partitions alone.",
                "ops",
                ((_rate("split_events_total", "vendor"), "{{vendor}}"),),
            ),
        ),
    ),
    (
        "Kafka",
        (
            (
                "Lag in records",
                "Held back on purpose by the debounce: see the causes above.",
                "short",
                ((_gauge("partition_lag_records", "partition"), "{{partition}}"),),
            ),
            (
                "Oldest event not covered, by partition",
                "",
                "s",
                ((f"time() - {_gauge('partition_oldest_open_timestamp_seconds', 'partition', how='min')}", "{{partition}}"),),
            ),
            ("Open users, by partition", "", "short", ((_gauge("partition_open_users", "partition"), "{{partition}}"),)),
            (
                "Committed, in records a second",
                "",
                "ops",
                ((f"sum by (partition) (rate({_M}partition_committed_offset{{{_JOB}}}[$__rate_interval]))", "{{partition}}"),),
            ),
            ("Partitions paused", "", "short", ((_gauge("partition_paused", "job"), "paused"),)),
            ("Lease left", "", "s", ((_gauge("lease_remaining_seconds", "instance", how="min"), "{{instance}}"),)),
            ("Commits", "", "ops", ((_rate("commits_total", "result"), "{{result}}"),)),
            (
                "Rebalances, resets and failed reads",
                "",
                "ops",
                (
                    (_rate("rebalances_total", "kind"), "{{kind}}"),
                    (_rate("offset_resets_total", "job"), "resets"),
                    (_rate("fetch_errors_total", "job"), "failed reads"),
                ),
            ),
        ),
    ),
    (
        RECEIVER,
        (
            (
                "Webhooks, by answer",
                "202: its events are on the topic. 503 and 429 are sent again by Sesamy, others are not.",
                "ops",
                ((_rate("receive_requests_total", "code"), "{{code}}"), (_gauge("receive_in_flight", "job"), "at once")),
            ),
            (
                "Events of webhooks",
                "Those of an unknown vendor are among the taken, too.",
                "ops",
                (
                    (_rate("receive_events_total", "outcome"), "{{outcome}}"),
                    (_rate("receive_refused_total", "reason"), "refused: {{reason}}"),
                ),
            ),
            (
                "From a webhook to its 202",
                "Half of them, and 99 of 100.",
                "s",
                ((_quantile(0.5, "receive_seconds", ""), "half"), (_quantile(0.99, "receive_seconds", ""), "99 of 100")),
            ),
            ("Receivers ready", "", "short", ((_gauge("receive_ready", "instance", how="max"), "{{instance}}"),)),
        ),
    ),
    (
        "Pods",
        (
            ("Ready", "", "short", ((_gauge("ready", "instance", how="max"), "{{instance}}"),)),
            ("Lateness of the event loop, 99 of 100", "", "s", ((_quantile(0.99, "loop_lag_seconds", "instance"), "{{instance}}"),)),
            (
                "Log lines and notices",
                "",
                "ops",
                ((_rate("log_lines_total", "level"), "{{level}}"), (_rate("notifications_total", "outcome"), "notice {{outcome}}")),
            ),
            (
                "Build and settings",
                "",
                "short",
                (
                    (_gauge("build_info", "version, python", how="count"), "{{version}}, Python {{python}}"),
                    (_gauge("settings_info", "fingerprint", how="count"), "settings {{fingerprint}}"),
                ),
            ),
        ),
    ),
)


def queries(*, besides: str = "") -> Iterable[tuple[str, str]]:
    """Give each panel's title and query, but of the row `besides`."""
    return ((title, expr) for row, panels in _ROWS if row != besides for title, _, _, asked in panels for expr, _ in asked)


def fresh(_: str = "") -> str:
    """Return the dashboard as Grafana imports it."""
    source = {"type": "prometheus", "uid": "$datasource"}
    panels: list[dict[str, Any]] = []
    y = 0
    for row, (heading, shown) in enumerate(_ROWS):
        panels.append(
            {"type": "row", "id": 100 * (row + 1), "title": heading, "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": y}, "panels": []}
        )
        y += 1
        width = _WIDTH // min(len(shown), 4)
        for number, (title, about, unit, asked) in enumerate(shown):
            x = number * width % _WIDTH
            y += _HEIGHT if number and x == 0 else 0
            panels.append(
                {
                    "type": "timeseries",
                    "id": 100 * (row + 1) + number + 1,
                    "title": title,
                    "description": about,
                    "datasource": source,
                    "gridPos": {"h": _HEIGHT, "w": width, "x": x, "y": y},
                    "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                    "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                    "targets": [
                        {"refId": chr(ord("A") + index), "datasource": source, "expr": expr, "legendFormat": legend}
                        for index, (expr, legend) in enumerate(asked)
                    ],
                }
            )
        y += _HEIGHT
    made = {
        "uid": "sesamy-makeas",
        "title": "sesamy-makeas",
        "tags": ["sesamy-makeas"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": "job",
                    "type": "query",
                    "label": "job",
                    "datasource": source,
                    "query": f"label_values({_M}build_info, job)",
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                },
            ]
        },
        "panels": panels,
    }
    return json.dumps(made, indent=1) + "\n"

"""The status as a page for a person: one self-contained HTML text, no script, every value escaped."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from .status import GateStatus, ListStatus, PartitionStatus, Status

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #d1242f; --mild: #9a6700; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .3rem 0; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; } .mild { color: var(--mild); }
footer { margin-top: 2rem; opacity: .7; font-size: .85rem; } code { overflow-wrap: anywhere; white-space: normal; }
"""
STYLE_HASH: Final = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The style's hash, for the content security policy."""
REFRESH_S: Final = 5
_AGE_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def page(status: Status, *, now: float) -> str:
    """Return the page; `now`: wall time (s)."""
    parts = [
        _head(status, now=now),
        _section("Lists", _lists(status.lists, now=now)),
        _section("Upstreams", _gates(status.upstreams)),
        _section("Partitions", _partitions(status.partitions, now=now)),
        _section("Recent failures", _failures(status, now=now)),
        _section("Unknown vendors", _unknown(status)),
        _foot(status),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><title>{escape(_word(status))} · sesamy-makeas</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _foot(status: Status) -> str:
    links = '<a href="/status.json">status.json</a> · <a href="/metrics">metrics</a>'
    return f"<footer>{escape(status.build)} · settings {escape(status.settings_fingerprint)} · {links}</footer>"


def _word(status: Status) -> str:
    return status.state if status.ready or status.state != "consuming" else "not ready"


def _head(status: Status, *, now: float) -> str:
    users, letters = status.users, status.dead_letters
    why = f": {', '.join(status.not_ready)}" if status.not_ready else ""
    tone = "good" if status.ready else "bad" if status.state == "consuming" else "mild"
    up = f", up {age(now - status.started_at)}" if status.started_at else ""
    letters_tone = "bad" if not letters.writable else ""
    return (
        f'<h1>sesamy-makeas <span class="{tone}">{escape(_word(status))}{escape(why)}</span></h1>'
        f"<p>generation {status.group.generation}, lease {status.group.lease_left_s:.0f} s{up}</p>"
        f"<p>{users.dirty:,} of at most {users.limit:,} users dirty: {users.waiting:,} waiting, {users.due:,} due, "
        f"{users.running:,} running, {users.parking:,} being parked</p>"
        f'<p class="{letters_tone}">{letters.open:,} letters open; {letters.written:,} written by this pod, {letters.waiting:,} waiting'
        f"{'' if letters.writable else ': the dead-letter topic takes none'}</p>"
    )


def _section(title: str, table: str) -> str:
    return f'<h2>{escape(title)}</h2><div class="scroll">{table}</div>' if table else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; a head that ends with `#` stands over numbers."""
    right = [head.endswith("#") for head in heads]
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if is_right else ''}>{_cell(one)}</td>" for is_right, one in zip(right, row, strict=True))
        + "</tr>"
        for row in rows
    )
    head = "".join(
        f"<th{' class=n' if is_right else ''}>{escape(name.rstrip('#'))}</th>" for is_right, name in zip(right, heads, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:,}"
    text = escape(str(value))
    tone = {"open": "good", "closed": "bad", "probing": "mild", "paused": "mild"}.get(str(value))
    return f'<span class="{tone}">{text}</span>' if tone else text


def age(seconds: float | None) -> str:
    """Return a length of time for people: `3 s`, `4 min`, `2 h`, `5 d`; empty for None."""
    if seconds is None:
        return ""
    for length, unit in _AGE_STEPS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _lists(lists: Iterable[ListStatus], *, now: float) -> str:
    return _table(
        ("vendor", "account", "list", "last write", "fresh after", "oldest pending", "users owed#"),
        (
            (
                one.vendor,
                one.account,
                one.list,
                "none yet" if one.last_write_at is None else f"{age(now - one.last_write_at)} ago",
                age(one.freshness_last_s),
                age(one.oldest_pending_s),
                one.owed_users,
            )
            for one in lists
        ),
    )


def _gates(gates: Iterable[GateStatus]) -> str:
    return _table(
        ("upstream", "gate", "why", "closed for", "next try in", "users waiting#", "in use#", "share of its limits"),
        (
            (
                one.name,
                one.state,
                one.cause,
                "" if one.state == "open" else age(one.closed_s),
                "" if one.state == "open" else age(one.next_try_s),
                one.waiting_users,
                one.in_use,
                f"{one.rate_share:.0%}",
            )
            for one in gates
        ),
    )


def _partitions(partitions: Iterable[PartitionStatus], *, now: float) -> str:
    return _table(
        ("partition#", "next#", "end#", "committed#", "lag#", "open users#", "oldest open", ""),
        (
            (
                one.partition,
                one.position,
                one.end,
                one.committed,
                one.lag,
                one.open,
                "" if one.oldest_open_at is None else age(now - one.oldest_open_at),
                "paused" if one.paused else "",
            )
            for one in partitions
        ),
    )


def _failures(status: Status, *, now: float) -> str:
    rows = ((one.upstream, one.code, one.count, f"{age(now - one.last_at)} ago") for one in status.recent_failures)
    return _table(("upstream", "code", "times#", "last"), rows)


def _unknown(status: Status) -> str:
    rows = ((one.vendor, one.events, one.first_offset, one.replay) for one in status.unknown_vendors)
    return _table(("vendor", "events#", "first at", "once it is in the settings"), rows)

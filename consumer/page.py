"""The status as a page for a person: one self-contained HTML text, every value escaped."""

import base64
import hashlib
from html import escape
from typing import Final

from .board import Board, Cell, Table, board
from .status import Status

REFRESH_S: Final = 5
_STYLE: Final = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #59636e; --good: #1a7f37; --bad: #c4121d; --mild: #7d4e00; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #9198a1; --good: #3fb950; --bad: #ff7b72; --mild: #e3b341; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 1.2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 .4rem; } h2 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { margin: .2rem 0; overflow-wrap: anywhere; } .soft, footer { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; overflow-wrap: anywhere; }
th, td { border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } .n { text-align: right; }
.good { color: var(--good); } .mild { color: var(--mild); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
footer { margin: 2rem 0; font-size: .85rem; }
@media (max-width: 44rem) {
  thead { display: none; } table, tbody, tr { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0; text-align: right; }
  td::before { content: attr(data-head); color: var(--soft); text-align: left; flex: none; } td:empty { display: none; }
}
"""
# A refreshed page keeps its place on the screen; where the pod does not answer, the last one stays, and says so.
_SCRIPT: Final = f"""
"use strict";
(() => {{
  let answered = Date.now();
  const refresh = async () => {{
    try {{
      const answer = await fetch(location.href, {{ cache: "no-store", signal: AbortSignal.timeout(4000) }});
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = fresh.title;
      document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
      answered = Date.now();
      document.getElementById("late").hidden = true;
    }} catch {{
      const late = document.getElementById("late");
      late.textContent = "no answer from the pod for " + Math.round((Date.now() - answered) / 1000) + " s: what follows is old";
      late.hidden = false;
    }}
  }};
  setInterval(() => {{ if (!document.hidden) refresh(); }}, {REFRESH_S * 1000});
  document.addEventListener("visibilitychange", () => {{ if (!document.hidden) refresh(); }});
}})();
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The content security policy: this page's own style and script, and its own address, nothing else."""


def page(status: Status, *, now: float) -> str:
    """Return the page; `now`: wall time (s)."""
    shown = board(status, now=now)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<noscript><meta http-equiv="refresh" content="{REFRESH_S}"></noscript>'
        f"<title>{escape(shown.state.text)} · sesamy-makeas</title><style>{_STYLE}</style></head>"
        f'<body><p id="late" class="bad" role="status" hidden></p>{_main(shown)}<script>{_SCRIPT}</script></body></html>\n'
    )


def _main(shown: Board) -> str:
    lines = "".join(f"<p>{_toned(line)}</p>" for line in shown.lines)
    links = '<a href="status.json">status.json</a> · <a href="metrics">metrics</a>'
    return (
        f"<main><h1>sesamy-makeas {_toned(shown.state)}</h1>{lines}{''.join(map(_table, shown.tables))}"
        f"<footer>{escape(shown.foot)} · {links}</footer></main>"
    )


def _toned(cell: Cell) -> str:
    text = escape(cell.text)
    return f'<span class="{cell.tone}">{text}</span>' if cell.tone and text else text


def _table(table: Table) -> str:
    title = f"<h2>{escape(table.title)}</h2>"
    if not table.rows:
        return f'{title}<p class="soft">{escape(table.empty)}</p>' if table.empty else ""
    names = [head.rstrip("#") for head in table.heads]
    right = [' class="n"' if head.endswith("#") else "" for head in table.heads]
    head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side in zip(names, right, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td{side} data-head="{escape(name)}">{_toned(cell)}</td>' for name, side, cell in zip(names, right, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""The status as a page for a person: one self-contained HTML text, every value escaped."""

import base64
import hashlib
from html import escape
from typing import Final

from .tables import Board, Cell, Table, board
from .tree import Status

REFRESH_S: Final = 5
_UNSEEN: Final = 12
_STYLE: Final = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #59636e; --good: #1a7f37; --bad: #c4121d; --mild: #7d4e00; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #9198a1; --good: #3fb950; --bad: #ff7b72; --mild: #e3b341; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 1.2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 .4rem; } h2 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { margin: .2rem 0; overflow-wrap: anywhere; } .soft, footer { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; overflow-wrap: break-word; }
th, td { border-bottom: 1px solid var(--line); }
td:first-child { overflow-wrap: anywhere; min-width: 12rem; }
th { color: var(--soft); font-weight: 500; } .n { text-align: right; white-space: nowrap; }
.good { color: var(--good); } .mild { color: var(--mild); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
footer { margin: 2rem 0; font-size: .85rem; }
#late { position: sticky; top: 0; margin: 0; padding: .3rem 0; background: Canvas; } #late[hidden] { display: none; } .old { opacity: .55; }
@media (max-width: 62rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } table, tbody, tr { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0; text-align: right; overflow-wrap: anywhere; }
  td::before { content: attr(data-head); color: var(--soft); text-align: left; min-width: 7rem; } td:empty { display: none; }
}
"""
# A refreshed page keeps its place on the screen, and waits while something of it is selected; where the pod does not answer, the last
# one stays, and says so. One that nobody sees asks once a minute, for its title.
_SCRIPT: Final = f"""
"use strict";
(() => {{
  const late = document.getElementById("late");
  let answered = new Date(), unseen = 0, busy = false;
  const refresh = async () => {{
    const chosen = getSelection();
    if (busy || (!chosen.isCollapsed && chosen.containsNode(document.querySelector("main"), true))) return;
    busy = true;
    try {{
      const answer = await fetch(location.href, {{ cache: "no-store", signal: AbortSignal.timeout(4000) }});
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
      document.getElementById("build").textContent = fresh.getElementById("build").textContent;
      document.title = fresh.title;
      answered = new Date();
      late.hidden = true;
    }} catch {{
      document.title = "no answer · sesamy-makeas";
      document.querySelector("main").className = "old";
      if (late.hidden) late.textContent = "no answer from the pod since " + answered.toLocaleTimeString() + ": what follows is old";
      late.hidden = false;
    }} finally {{
      busy = false;
    }}
  }};
  setInterval(() => {{ if (!document.hidden || ++unseen % {_UNSEEN} === 0) refresh(); }}, {REFRESH_S * 1000});
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
        f'<body><p id="late" class="bad" role="status" hidden></p>{_main(shown)}{_footer(shown)}<script>{_SCRIPT}</script></body></html>\n'
    )


def _main(shown: Board) -> str:
    lines = "".join(f"<p>{_toned(line)}</p>" for line in shown.lines)
    return f"<main><h1>sesamy-makeas {_toned(shown.state)}</h1>{lines}{''.join(map(_table, range(len(shown.tables)), shown.tables))}</main>"


def _footer(shown: Board) -> str:
    links = '<a href="status.json">status.json</a> · <a href="metrics">metrics</a>'
    return f'<footer><span id="build">{escape(shown.foot)}</span> · {links}</footer>'


def _toned(cell: Cell) -> str:
    text = escape(cell.text)
    return f'<span class="{cell.tone}">{text}</span>' if cell.tone and text else text


def _table(number: int, table: Table) -> str:
    """Draw a table; its roles are said, since on a phone it is laid out as none."""
    title = f'<h2 id="t{number}">{escape(table.title)}</h2>'
    if not table.rows:
        return f'{title}<p class="soft">{escape(table.empty)}</p>' if table.empty else ""
    names = [head.rstrip("#") for head in table.heads]
    sides = [' class="n"' if head.endswith("#") else "" for head in table.heads]
    head = "".join(f'<th scope="col" role="columnheader"{side}>{escape(name)}</th>' for name, side in zip(names, sides, strict=True))
    body = "".join(f'<tr role="row">{"".join(map(_cell, names, sides, row))}</tr>' for row in table.rows)
    return (
        f'{title}<table role="table" aria-labelledby="t{number}"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _cell(name: str, side: str, cell: Cell) -> str:
    return f'<td role="cell"{side} data-head="{escape(name)}">{_toned(cell)}</td>'

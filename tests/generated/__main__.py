"""Writes, or with `--check` compares, all files that are made from the code: `python -m tests.generated`."""

import sys
from collections.abc import Callable
from typing import Final

from tests.generated import dashboard, metrics_table, rules, settings_table
from tests.generated.rules import ROOT

FILES: Final[dict[str, Callable[[str], str]]] = {
    "deploy/README.md": lambda text: metrics_table.fresh(settings_table.fresh(text)),
    "deploy/monitoring/dashboard.json": dashboard.fresh,
    "deploy/kustomize/components/prometheus-operator/prometheusrule.yaml": rules.fresh,
}


def stale() -> list[str]:
    """Return the files that are not what they would be made now."""
    return [name for name, made in FILES.items() if not (ROOT / name).exists() or made(_text(name)) != _text(name)]


def _text(name: str) -> str:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: list[str]) -> str | None:
    """Write them, or return what is wrong."""
    if "--check" in arguments:
        found = stale()
        return f"not as they would be made now: {', '.join(found)}; cure: make generated" if found else None
    for name, made in FILES.items():
        (ROOT / name).write_text(made(_text(name)), encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

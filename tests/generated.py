"""Writes, or with `--check` compares, all files that are made from the code: `python -m tests.generated`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from tests import dashboard, metrics_table, settings_table

ROOT: Final = Path(__file__).parent.parent


class _Block(str):
    """Text that YAML shows in lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml comes without types
    pass


_Dumper.add_representer(_Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|"))


def _in_blocks(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _in_blocks(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_in_blocks(value) for value in tree]
    return _Block(tree) if isinstance(tree, str) and "\n" in tree else tree


def prometheus_rule(_: str = "") -> str:
    """Return the rules as the Prometheus operator takes them."""
    rules = yaml.safe_load((ROOT / "deploy/monitoring/rules.yaml").read_text(encoding="utf-8"))
    made = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "sesamy-makeas"}, "spec": rules}
    text = yaml.dump(_in_blocks(made), Dumper=_Dumper, sort_keys=False, width=1000, indent=2)
    return f"# Made from deploy/monitoring/rules.yaml by `make generated`.\n{text}"


FILES: Final[dict[str, Callable[[str], str]]] = {
    "README.md": settings_table.fresh,
    "deploy/README.md": metrics_table.fresh,
    "deploy/monitoring/dashboard.json": dashboard.fresh,
    "deploy/kustomize/components/prometheus-operator/prometheusrule.yaml": prometheus_rule,
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

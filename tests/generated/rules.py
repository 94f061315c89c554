"""The rules of Prometheus as its operator takes them, made from those for a plain Prometheus."""

from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]


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


def fresh(_: str = "") -> str:
    """Return the rules as the Prometheus operator takes them."""
    rules = yaml.safe_load((ROOT / "deploy/monitoring/rules.yaml").read_text(encoding="utf-8"))
    made = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "sesamy-makeas"}, "spec": rules}
    text = yaml.dump(_in_blocks(made), Dumper=_Dumper, sort_keys=False, width=1000, indent=2)
    return f"# Made from deploy/monitoring/rules.yaml by `make generated`.\n{text}"

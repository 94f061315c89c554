"""The layout of code and tests: beside each file of the package stands the file with its tests; and one folder asks over HTTP."""

import ast
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_UNIT: Final = ROOT / "tests" / "unit"

_BY_RUNNING_IT: Final = "a command, tried as an operator types it: tests/acceptance and tests/integration"
_ONLY_WORDS: Final = "shapes without behaviour of their own: whoever makes and reads them is tested"
_WITHOUT: Final = {
    "commands/check/command.py": _BY_RUNNING_IT,
    "commands/cli.py": _BY_RUNNING_IT,
    "commands/dead_letters/command.py": _BY_RUNNING_IT,
    "commands/local.py": _BY_RUNNING_IT,
    "commands/receive/command.py": _BY_RUNNING_IT,
    "commands/run.py": _BY_RUNNING_IT,
    "commands/status/command.py": _BY_RUNNING_IT,
    "commands/sync.py": _BY_RUNNING_IT,
    "commands/terminal.py": _BY_RUNNING_IT,
    "commands/verify/command.py": _BY_RUNNING_IT,
    "core/answers/snapshot.py": _ONLY_WORDS,
    "pod/status/tree.py": _ONLY_WORDS,
    "receiver/process.py": _BY_RUNNING_IT,
    "pod/reader/facts.py": _ONLY_WORDS,
    "settings/findings.py": _ONLY_WORDS,
}
"""Files without a test file of their own, and why that is so."""

_WIRING: Final = {
    *("broker", "container", "jars", "jvm", "memory", "topics", "unavailable"),
    *("chaos", "children", "local", "ports", "repaired", "server", "session", "view"),
}
"""Files of the sandbox that start and join its parts: tests/acceptance and tests/integration run it whole."""


def _modules() -> list[str]:
    package = ROOT / "consumer"
    return sorted(str(path.relative_to(package)) for path in package.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"})


def _needs_tests(module: str) -> bool:
    path = Path(module)
    return module not in _WITHOUT and not (path.parts[0] == "sandbox" and path.stem in _WIRING)


def _tests_of(module: str) -> Path:
    path = _UNIT / module
    return path.with_name(f"test_{path.name}")


@pytest.mark.parametrize("module", [one for one in _modules() if _needs_tests(one)])
def test_each_file_has_its_tests_beside_it(module: str) -> None:
    assert _tests_of(module).exists(), f"no {_tests_of(module).relative_to(ROOT)}; cure: put the tests of consumer/{module} there"


def test_nothing_is_excused_that_has_tests_or_is_gone() -> None:
    modules = {*_modules()}
    assert [one for one in _WITHOUT if one not in modules or _tests_of(one).exists()] == []


def test_each_test_file_is_of_a_file_of_the_package() -> None:
    """`test_a.py` is of `a.py`, as is `test_a_and_more.py`: more tests of one file, or what they have in common."""
    stems: dict[Path, list[str]] = {}
    for module in _modules():
        path = Path(module)
        stems.setdefault(path.parent, []).append(path.stem)
    lost = [
        str(path.relative_to(ROOT))
        for path in sorted(_UNIT.rglob("test_*.py"))
        if path.parent != _UNIT
        and not any(f"{path.stem}_".startswith(f"test_{stem}_") for stem in stems.get(path.parent.relative_to(_UNIT), []))
    ]
    assert lost == []


_ASKS_OVER_HTTP: Final = ("resync/http/",)
_ASKS_BESIDE_IT: Final = {
    "sandbox/forwarding/forwarder.py": "it posts to our webhook as Sesamy does, and may share no code with us",
    "sandbox/children.py": "it asks a process of ours whether it is ready, on loopback",
    "sandbox/session.py": "it asks a process of ours how it is, on loopback",
}
"""The files without our bounds on an exchange, and why each is one; no pod runs any of them."""


def _clients(text: str) -> set[str]:
    """Return what a file imports of aiohttp beside the server's side: with none of it, it can't open a connection."""
    found: set[str] = set()
    for one in ast.walk(ast.parse(text)):
        match one:
            case ast.Import(names=names):
                found |= {name.name for name in names if name.name.partition(".")[0] == "aiohttp"}
            case ast.ImportFrom(module="aiohttp", names=names, level=0):
                found |= {f"aiohttp.{name.name}" for name in names if name.name != "web"}
            case ast.ImportFrom(module=str(module), names=names, level=0) if module.startswith("aiohttp.") and module != "aiohttp.web":
                found |= {f"{module}.{name.name}" for name in names}
    return found


def _askers() -> list[str]:
    return [module for module in _modules() if _clients((ROOT / "consumer" / module).read_text("utf-8"))]


def test_only_one_folder_asks_over_http() -> None:
    """All that a process asks has the bounds of `resync/http`: no other file can make a session or a connector of aiohttp's."""
    assert [one for one in _askers() if not one.startswith(_ASKS_OVER_HTTP) and one not in _ASKS_BESIDE_IT] == []


def test_no_file_is_let_ask_that_does_not() -> None:
    assert {*_ASKS_BESIDE_IT} - {*_askers()} == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from aiohttp import web", set()),
        ("from aiohttp.web import Request", set()),
        ("import aiohttp", {"aiohttp"}),
        ("def f():\n    import aiohttp as a", {"aiohttp"}),
        ("import aiohttp.web", {"aiohttp.web"}),  # It binds all of aiohttp.
        ("import aiohttp_client", set()),
        ("from aiohttp import TCPConnector, web", {"aiohttp.TCPConnector"}),
        ("from aiohttp.client import ClientSession", {"aiohttp.client.ClientSession"}),
        ("from .aiohttp import ClientSession", set()),
    ],
)
def test_the_client_of_aiohttp_is_found(text: str, found: set[str]) -> None:
    assert _clients(text) == found

"""
Looks at everything under deploy/ as far as that goes without a cluster: `make deploy-check`. Exit status 1: something is wrong.

With folders, `make deploy-check ARGS=../ours/overlay`: at these overlays and nothing else, wherever they are.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from placeholders import errors
from policy import Document, called, policy
from spoils import unnoticed
from tools import NEEDED

DEPLOY = Path(__file__).parent
ROOT = DEPLOY.parent
BIN = Path(sys.prefix) / "bin"
# Kubernetes as of which all that is used here is stable: podFailurePolicy (1.31), unhealthyPodEvictionPolicy (1.31).
KUBERNETES = ("1.31", "1.35")
SCORE = (
    "--ignore-container-cpu-limit",
    # A pinned image need not be pulled again.
    *("--ignore-test", "container-image-pull-policy"),
)


def tool(name: str) -> str:
    """Return where a tool is: our own first."""
    found = str(BIN / name) if (BIN / name).exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"deploy-check: {name} is missing; cure: {NEEDED.get(name, 'rm -r .venv/deploy, then make deploy-check')}")
    return found


def ran(name: str, *arguments: str, said: str = "") -> tuple[str, list[str]]:
    """Run a tool; return its output, and what is wrong."""
    done = subprocess.run([tool(name), *arguments], input=said, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    return done.stdout, [] if done.returncode == 0 else [f"{name} {' '.join(arguments[:2])}: {done.stdout}{done.stderr}".strip()]


def overlays() -> Iterator[str]:
    """Build every overlay, and look at what comes out; placeholders are an example's business, and an error of any other."""
    folders, built = sorted((DEPLOY / "kustomize/overlays").iterdir()), []
    for folder in folders:
        documents, found = overlay(folder)
        yield from found
        if documents and not found:
            built.append(documents)
        yield from errors(folder, documents)
    if len(built) == len(folders):
        yield from unnoticed(built)


def named(folders: list[Path]) -> Iterator[str]:
    """Look at overlays by their folders: what would be applied has no placeholder, not even one that is an example's."""
    for folder in folders:
        documents, found = overlay(folder)
        yield from found
        yield from errors(folder, documents, is_named=True)


def overlay(folder: Path) -> tuple[list[Document], list[str]]:
    """Build an overlay; return its objects, and what is wrong with them."""
    schemas = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (DEPLOY / "schemas").glob("*.json")}
    text, wrong = ran("kustomize", "build", str(folder.resolve()))
    documents = [one for one in yaml.safe_load_all(text) if one]
    found = [f"{called(one)}: {error}" for one in documents for error in shape(one, schemas)] or list(policy(documents))
    own = [one for one in documents if one["kind"] not in schemas]
    scored = ran("kube-score", "score", *SCORE, "-", said=yaml.safe_dump_all(own))[1] if own else []
    print(f"{folder.name}: {len(documents)} objects")
    return documents, [*wrong, *(f"{folder.name}: {error}" for error in (*found, *scored))]


def shape(document: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """Compare one object with its schema; a field that the schema lacks is an error."""
    kind = document["kind"]
    if kind in schemas:
        validator = jsonschema.Draft7Validator(schemas[kind])
        for error in validator.iter_errors(document):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message[:200]}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"neither Kubernetes {version} nor deploy/schemas has {document['apiVersion']} {kind}"


def files() -> Iterator[str]:
    """Look at the files as they are."""
    yield from ran("yamllint", "--strict", "--config-file", ".yamllint.yaml", "deploy")[1]
    yield from ran("hadolint", "deploy/docker/Dockerfile")[1]
    scripts = [*DEPLOY.rglob("*.sh"), *(path for path in (ROOT / ".ci").iterdir() if path.suffix != ".py")]
    yield from ran("shellcheck", *(str(path.relative_to(ROOT)) for path in sorted(scripts)))[1]
    yield from ran("promtool", "check", "rules", "--lint=all", "--lint-fatal", "deploy/monitoring/rules.yaml")[1]
    yield from ran("promtool", "test", "rules", "deploy/monitoring/rules_test.yaml")[1]


def main(folders: list[str]) -> int:
    """Look at all of it, or at the overlays that are named; say everything that is wrong."""
    missing = [folder for folder in folders if not Path(folder).is_dir()]
    if missing:
        raise SystemExit(f"deploy-check: {', '.join(missing)} is no folder; cure: name the folder of an overlay")
    found = list(named([Path(folder) for folder in folders])) if folders else [*overlays(), *files()]
    looked_at = ", ".join(folders) or "deploy/"
    print("\n".join(found) if found else f"{looked_at} is fine, as far as that can be seen without a cluster", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What is left of the example in an overlay is said, with the place and the cure; what somebody has written is not."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
import yaml

from tests.generated.rules import ROOT

OVERLAYS: Final = ROOT / "deploy/kustomize/overlays"
COMPONENTS: Final = ROOT / "deploy/kustomize/components"


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("placeholders", ROOT / "deploy/placeholders.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLACEHOLDERS: Final = _module()


def _copied(folder: Path, *names: str, **changes: str) -> Path:
    """Return a copy of the production overlay, in some of whose files something is changed."""
    shutil.copytree(OVERLAYS / "production", folder)
    for name in names:
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in zip(changes["old"].split("|"), changes["new"].split("|"), strict=True):
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _said(folder: Path) -> list[str]:
    """Return what is said of what kustomize would make of an overlay's own files."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    (generated,) = kustomization["configMapGenerator"]
    (image,) = kustomization["images"]
    (runbook,) = [yaml.safe_load(one["patch"])[0]["value"] for one in kustomization["patches"]]
    documents = [
        {
            "kind": "ConfigMap",
            "metadata": {"name": generated["name"]},
            "data": {name: (folder / name).read_text(encoding="utf-8") for name in generated["files"]},
        },
        *(
            {"kind": kind, "metadata": {"name": "one"}, "spec": {"image": f"{image['newName']}@{image['digest']}"}}
            for kind in ("Deployment", "Job")
        ),
        {"kind": "PrometheusRule", "metadata": {"name": "one", "annotations": runbook}},
    ]
    return [str(one) for one in PLACEHOLDERS.left(folder, documents)]


def _line(name: str, part: str) -> int:
    lines = (OVERLAYS / "production" / name).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if part in line and not line.startswith("#"))


def test_everything_that_a_copy_of_the_example_must_replace_is_said_with_its_line_and_cure(tmp_path: Path) -> None:
    said = _said(_copied(tmp_path / "mine"))

    assert [one.partition(": ")[0] for one in said] == [
        f"consumer.toml, line {_line('consumer.toml', 'vendor_123')}",
        f"consumer.toml, line {_line('consumer.toml', '…')}",
        f"consumer.toml, line {_line('consumer.toml', '1466')}",
        "kafka-ca.crt",
        f"kustomization.yaml, line {_line('kustomization.yaml', 'wiki.example.com')}",
        f"kustomization.yaml, line {_line('kustomization.yaml', 'registry.example.com')}",
        f"kustomization.yaml, line {_line('kustomization.yaml', 'sha256:0')}",
    ]
    assert all("; cure: " in one for one in said)


def test_an_overlay_in_which_all_is_replaced_is_left_in_peace(tmp_path: Path) -> None:
    folder = _copied(
        tmp_path / "mine",
        "consumer.toml",
        "kustomization.yaml",
        old='"vendor_123"|"…"|"1001"|"1466"|sha256:' + "0" * 64 + "|registry.example.com|wiki.example.com",
        new='"vendor_9"|"cid"|"7007"|"1466"|sha256:' + "0" * 63 + "1|registry.acme.io|wiki.acme.io",
    )
    (folder / "kafka-ca.crt").write_text(trustme.CA().cert_pem.bytes().decode(), encoding="utf-8")

    assert _said(folder) == []


@pytest.mark.parametrize("text", ["", "# Put it here.\n", "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"])
def test_an_authority_without_a_certificate_is_said(text: str, tmp_path: Path) -> None:
    folder = _copied(tmp_path / "mine")
    (folder / "kafka-ca.crt").write_text(text, encoding="utf-8")

    assert any(one.startswith("kafka-ca.crt: no certificate is in it; cure: ") for one in _said(folder))


def test_what_a_component_brings_is_said_by_its_object(tmp_path: Path) -> None:
    (route,) = yaml.safe_load_all((COMPONENTS / "receiver-httproute/httproute.yaml").read_text(encoding="utf-8"))
    (job,) = [one for one in yaml.safe_load_all((COMPONENTS / "replay-job/job.yaml").read_text(encoding="utf-8")) if one["kind"] == "Job"]

    said = [str(one) for one in PLACEHOLDERS.left(_copied(tmp_path / "mine"), [route, job])]

    assert [one.partition("; ")[0] for one in said] == [
        f"HTTPRoute {route['metadata']['name']}: spec.hostnames.0: a host of nobody (events.example.com)",
        f"Job {job['metadata']['name']}: spec.template.spec.containers.0.args.4: a time that nobody has set (TIME)",
    ]


@pytest.mark.parametrize(
    "text",
    ["registry.acme.io/x@sha256:" + "1" * 64, "https://counterexample.com/x", "kafka-kafka-bootstrap.kafka.svc", "TIMEZONE", "example"],
)
def test_what_may_be_real_is_left_in_peace(text: str, tmp_path: Path) -> None:
    one = {"kind": "Deployment", "metadata": {"name": "one"}, "spec": {"text": text}}

    assert PLACEHOLDERS.left(_copied(tmp_path / "mine"), [one]) == []


def test_it_is_an_error_of_an_overlay_that_is_applied_and_none_of_an_example_unless_that_is_named(tmp_path: Path) -> None:
    """A copy is looked at whatever its name is, and wherever it lies."""
    documents = [{"kind": "Deployment", "metadata": {"name": "one"}, "spec": {"image": "registry.example.com/x"}}]
    example, copied, same_name = OVERLAYS / "production", _copied(tmp_path / "mine"), _copied(tmp_path / "production")

    assert PLACEHOLDERS.errors(example, documents) == []
    for folder, is_named in ((example, True), (copied, False), (same_name, False)):
        assert len(PLACEHOLDERS.errors(folder, documents, is_named=is_named)) == 1


def test_no_key_is_quoted(tmp_path: Path) -> None:
    folder = _copied(tmp_path / "mine", "consumer.toml", old='{ file = "/run/secrets/sesamy-makeas/make-1001" }', new='"k3y-canary"')

    assert "canary" not in "".join(_said(folder))


def test_the_examples_are_the_overlays_that_are_there() -> None:
    assert {path.name for path in OVERLAYS.iterdir()} == PLACEHOLDERS.EXAMPLES

"""Metrics, alerts and the dashboard, against the tools that will read them and a consumer that lives through failures."""

import contextlib
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import yaml
from anyio.abc import Process
from prometheus_client import generate_latest

from consumer.pod.status.gauges import Scrape
from consumer.sandbox.brokers.broker import Broker
from consumer.sandbox.ports import free_port
from consumer.sandbox.publishers import event
from consumer.sandbox.town import VENDORS, town
from consumer.telemetry.metrics import Metrics
from tests.faults.proxy import proxied
from tests.generated import dashboard
from tests.generated.__main__ import stale
from tests.generated.metrics_table import metrics, one_of_each
from tests.generated.rules import ROOT
from tests.integration.conftest import lacking
from tests.integration.harness import Stage, staged, until
from tests.unit.pod.status.test_page import EVIL, busy

MONITORING: Final = ROOT / "deploy/monitoring"
_SUFFIX: Final = re.compile(r"_(bucket|sum|count)$")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((MONITORING / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def named(text: str) -> set[str]:
    return {_SUFFIX.sub("", name) for name in re.findall(r"\bsesamy_makeas_\w+", text)}


def tool(name: str) -> str:
    return shutil.which(name) or lacking(f"{name} is missing; cure: apt-get install prometheus")


def promtool(*arguments: str, said: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([tool("promtool"), *arguments], input=said, capture_output=True, timeout=120, check=False)


# ---- Names ----


def test_what_is_made_from_the_code_is_fresh() -> None:
    """`make generated` writes it anew."""
    assert stale() == []


def test_the_names_pass_promtool() -> None:
    made = Scrape(Metrics(one_of_each()).registry, busy(), now=1000.0)

    done = promtool("check", "metrics", said=generate_latest(made))
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_label_values_come_from_the_settings_and_closed_sets_alone() -> None:
    """What a record or a foreign vendor brings stands in no label: neither a name nor an address."""
    before = generate_latest(Scrape(Metrics(one_of_each()).registry, busy(evil="v"), now=1000.0))
    assert EVIL.encode() not in before
    assert b"@" not in before
    values = set(re.findall(rb'[{,](\w+)="', before))
    assert values == {
        *(b"account", b"cause", b"code", b"field", b"fingerprint", b"kind", b"le", b"level", b"list", b"op", b"outcome"),
        *(b"partition", b"python", b"result", b"stage", b"upstream", b"vendor", b"version"),
    }


# ---- Alerts ----


def test_the_rules_are_right_for_promtool() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(MONITORING / "rules.yaml"))
    assert done.returncode == 0, done.stderr


def test_each_alert_fires_and_stays_silent() -> None:
    done = promtool("test", "rules", str(MONITORING / "rules_test.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr

    fires: set[str] = set()
    silent: set[str] = set()
    for case in yaml.safe_load((MONITORING / "rules_test.yaml").read_text(encoding="utf-8"))["tests"]:
        for one in case["alert_rule_test"]:
            (fires if one["exp_alerts"] else silent).add(one["alertname"])
    assert fires == silent == {rule["alert"] for rule in rules()}


def test_each_alert_asks_for_metrics_that_exist() -> None:
    known = {name: labels for name, _, labels, _ in metrics()}
    for rule in rules():
        assert named(rule["expr"]) <= set(known), rule["alert"]
        for name, matchers in re.findall(r"\b(sesamy_makeas_\w+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)!?=", matchers)) <= set(known[_SUFFIX.sub("", name)]), rule["alert"]


def test_each_alert_has_its_chapter_in_the_runbook_and_each_chapter_its_alert() -> None:
    text = (ROOT / "deploy/RUNBOOK.md").read_text(encoding="utf-8")
    chapters = {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}

    for rule in rules():
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (path, anchor) == ("deploy/RUNBOOK.md", rule["alert"].lower())
        assert anchor in chapters
        assert rule["annotations"]["runbook_url"].endswith(f"/RUNBOOK.md#{anchor}")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {one for one in chapters if one.startswith("sesamymakeas")} == {rule["alert"].lower() for rule in rules()}
    assert {f"exit-{status}" for status in (0, 1, 64, 69, 70, 75, 77, 78)} <= chapters


# ---- A real Prometheus ----


@asynccontextmanager
async def prometheus(*targets: str, folder: Path, known: Path = MONITORING / "rules.yaml") -> AsyncIterator[str]:
    """Give the address of a Prometheus that scrapes `targets` each second and knows our rules."""
    scrape = {"job_name": "sesamy-makeas", "scrape_interval": "1s", "static_configs": [{"targets": [*targets]}]}
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(known)],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    with (folder / "prometheus.log").open("wb") as log:
        process = await anyio.open_process([*command, f"--web.listen-address={address}"], stdin=None, stdout=log, stderr=log)
    try:
        with anyio.fail_after(30):
            while await asked(f"http://{address}", "query", query="1") is None:
                await anyio.sleep(0.2)
        yield f"http://{address}"
    finally:
        await ended(process)


async def ended(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with anyio.CancelScope(shield=True):
        await process.wait()
        await process.aclose()


async def asked(base: str, what: str, **params: str) -> Any:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{base}/api/v1/{what}", params=params) as answer:
            body = await answer.json()
            assert body["status"] == "success" or answer.status != 400, body
            return body["data"] if answer.status == 200 else None
    except aiohttp.ClientError:
        return None


async def address_of(process: Process) -> str:
    """Return where the status page of `local` is, as it says itself."""
    assert process.stderr is not None
    said = ""
    while (found := re.search(r"status page: http://(\S+?)/", said)) is None:
        said += (await process.stderr.receive()).decode()
    return found[1]


async def drained(stream: Any) -> None:
    async for _ in stream:
        pass


async def test_every_query_of_the_dashboard_answers_while_a_consumer_lives_through_failures(kafka: object, tmp_path: Path) -> None:
    """A wrong key, 429s, poison, a kill: each panel draws something, and each rule can be evaluated."""
    del kafka  # It says that a real one can be had here: `local` starts its own.
    command = [sys.executable, "-m", "consumer", "local", "--chaos", "--output", "json"]
    began = time.time()
    local = await anyio.open_process(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        with anyio.fail_after(200):
            target = await address_of(local)
            async with prometheus(target, folder=tmp_path) as base, anyio.create_task_group() as tasks:
                tasks.start_soon(drained, local.stderr)
                tasks.start_soon(drained, local.stdout)
                assert await local.wait() == 0
                empty = [
                    (title, query)
                    for title, query in dashboard.queries(besides=dashboard.RECEIVER)
                    if not (await answered(base, query, began))["result"]
                ]
                groups = (await asked(base, "rules"))["groups"]
    finally:
        await ended(local)
    assert empty == []
    assert {(rule["name"], rule["health"]) for rule in groups[0]["rules"]} == {(rule["alert"], "ok") for rule in rules()}


def hurried(folder: Path) -> Path:
    """Return our rules with a second for a minute, and three for three: so that a test can wait for them."""
    text = (MONITORING / "rules.yaml").read_text(encoding="utf-8")
    shorter = re.sub(r"\[(\d+)m\]", lambda found: f"[{max(4, int(found[1]))}s]", re.sub(r"for: (\d+)m", r"for: \1s", text))
    path = folder / "hurried.yaml"
    path.write_text(shorter, encoding="utf-8")
    return path


async def firing(base: str) -> set[tuple[str, str]]:
    found = (await asked(base, "alerts") or {"alerts": []})["alerts"]
    return {(one["labels"]["alertname"], one["labels"].get("instance", "")) for one in found if one["state"] == "firing"}


async def test_one_of_two_pods_that_stands_still_fires_and_ends(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """It is stopped by a signal, as a machine that hangs: the other one's good numbers must not hide it."""
    async with town(tmp_path, readers=5) as here, staged(here, kafka, topic, tmp_path) as stage:
        one, other = await stage.pod().start(), await stage.pod().start()
        targets = [f"127.0.0.1:{pod.port}" for pod in (one, other)]
        async with prometheus(*targets, folder=tmp_path, known=hurried(tmp_path)) as base:
            await until(lambda: asked_for(base, targets), what=lambda: "both are scraped", within_s=30)
            one.signal(signal.SIGSTOP)
            wanted = ("SesamyMakeasZombiePod", targets[0])
            await until(lambda: is_firing(base, wanted), what=lambda: "it fires", within_s=60)
            assert ("SesamyMakeasZombiePod", targets[1]) not in await firing(base)
            one.signal(signal.SIGCONT)
            await until(lambda: is_over(base, wanted), what=lambda: "it ends", within_s=60)


async def test_one_of_two_pods_that_cannot_join_fires_and_ends(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """It starts, and no broker takes it: the other one's being ready must not hide it."""
    async with town(tmp_path, readers=5) as here, staged(here, kafka, topic, tmp_path) as stage, proxied(kafka.bootstrap) as way:
        await way.refuse()
        lost = stage.pod()
        lost.config.write_text(lost.config.read_text(encoding="utf-8").replace(kafka.bootstrap, way.address), encoding="utf-8")
        other = await stage.pod().start()
        await lost.start(ready=False)
        wanted, well = (("SesamyMakeasNotReady", f"127.0.0.1:{pod.port}") for pod in (lost, other))
        async with prometheus(wanted[1], well[1], folder=tmp_path, known=hurried(tmp_path)) as base:
            await until(lambda: is_firing(base, wanted), what=lambda: f"it fires; {lost.said()}", within_s=60)
            assert well not in await firing(base)
            await way.accept()
            await until(lambda: is_over(base, wanted), what=lambda: f"it ends; {lost.said()}", within_s=60)


async def test_one_of_two_pods_that_reads_nothing_fires_and_ends(kafka: Broker, topic: str, tmp_path: Path) -> None:
    """It is full of bursts that go on for a minute, and records come one by one: the other one's reading must not hide it."""
    async with town(tmp_path, readers=20) as here, staged(here, kafka, topic, tmp_path) as stage:
        full = stage.pod(more="[workers]\nmax_dirty_users = 1\n")
        text = full.config.read_text(encoding="utf-8")
        full.config.write_text(text.replace("quiet_s = 0.3\nmax_wait_s = 2.0", "quiet_s = 60\nmax_wait_s = 60"), encoding="utf-8")
        await full.start()
        other = await stage.pod().start()
        wanted, well = (("SesamyMakeasNothingRead", f"127.0.0.1:{pod.port}") for pod in (full, other))
        async with prometheus(wanted[1], well[1], folder=tmp_path, known=hurried(tmp_path)) as base, anyio.create_task_group() as tasks:
            await until(lambda: asked_for(base, [wanted[1], well[1]]), what=lambda: "both are scraped", within_s=30)
            tasks.start_soon(touched_one_by_one, stage)
            await until(lambda: is_firing(base, wanted), what=lambda: f"it fires; {full.said()}", within_s=90)
            assert well not in await firing(base)
            await until(lambda: is_over(base, wanted), what=lambda: f"it ends; {full.said()}", within_s=60)
            tasks.cancel_scope.cancel()


async def touched_one_by_one(stage: Stage) -> None:
    """Let readers be touched without end, one after the other."""
    everybody = [event(vendor, user, "contract.1#update") for vendor in VENDORS for user in sorted(stage.town.readers(vendor))]
    for message in itertools.cycle(everybody):
        await stage.send([message])
        await anyio.sleep(0.2)


async def is_firing(base: str, wanted: tuple[str, str]) -> bool:
    return wanted in await firing(base)


async def is_over(base: str, wanted: tuple[str, str]) -> bool:
    return wanted not in await firing(base)


async def asked_for(base: str, targets: list[str]) -> bool:
    found = await asked(base, "query", query="sesamy_makeas_ready == 1")
    return found is not None and {one["metric"]["instance"] for one in found["result"]} == {*targets}


async def answered(base: str, query: str, began: float) -> Any:
    expr = query.replace("$__rate_interval", "10s").replace("$job", "sesamy-makeas")
    found = await asked(base, "query_range", query=expr, start=str(began), end=str(time.time()), step="1")
    assert found is not None, query
    return found


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    known = {name for name, *_ in metrics()}
    made = json.loads(dashboard.fresh())
    asked_for = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]

    assert sorted(asked_for) == sorted(query for _, query in dashboard.queries())
    assert set().union(*map(named, asked_for)) <= known
    # Nothing is measured that nobody is shown or told of.
    shown = set().union(*map(named, asked_for)) | set().union(*(named(rule["expr"]) for rule in rules()))
    assert known - shown == {
        "sesamy_makeas_offset_gap_records_total",
        "sesamy_makeas_log_lines_held_back_total",
        "sesamy_makeas_log_fields_dropped_total",
        "sesamy_makeas_would_write_total",  # Of a dry run alone.
    }

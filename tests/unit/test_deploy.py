"""What the manifests promise about the program, held against the program."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import pytest
import trustme
import yaml

from consumer.commands.cli import command_of
from consumer.core.gates.server_limit import begins_at
from consumer.kafka.client import clients
from consumer.pod import membership
from consumer.receiver import process
from consumer.receiver.body import BODY_S
from consumer.receiver.needs import settings_of
from consumer.settings.load import load
from consumer.settings.model import AdminSettings, MakeAsSettings, ReceiveSettings, SesamySettings, WorkerSettings
from consumer.telemetry import tracing
from tests.generated.rules import ROOT

KUSTOMIZE: Final = ROOT / "deploy/kustomize"
JOB: Final = "components/replay-job/job.yaml"
NIGHTLY: Final = "components/reconcile-cronjob/cronjob.yaml"
OVERLAYS: Final = ("staging", "production")


def manifest(name: str) -> dict[str, Any]:
    every = yaml.safe_load_all((KUSTOMIZE / name).read_text(encoding="utf-8"))
    return dict(next(one for one in every if one["kind"] != "ServiceAccount"))


def pod_of(name: str) -> dict[str, Any]:
    spec = manifest(name)["spec"]
    return dict(spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"])


@pytest.mark.parametrize("name", ["base/deployment.yaml", JOB, NIGHTLY])
def test_the_grace_period_outlasts_a_drain(name: str) -> None:
    """The drain, a request that is under way at its end, the last letters and commit, leaving the group, closing the producer."""
    request_s = max(MakeAsSettings().timeout_s, SesamySettings().timeout_s)
    needed_s = WorkerSettings().drain_s + request_s + 2 * membership._COMMIT_LIMIT_S + 2 * membership.LEAVE_LIMIT_S + tracing.LAST_SPANS_S

    assert pod_of(name)["terminationGracePeriodSeconds"] > needed_s


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_settings_of_an_overlay_can_be_loaded_and_fit_the_pod(overlay: str, tmp_path: Path) -> None:
    """Every file it names lies in a folder that the pod mounts; all but the placeholders is good as it stands."""
    text = (KUSTOMIZE / "overlays" / overlay / "consumer.toml").read_text(encoding="utf-8")
    files = re.findall(r'"(/[^"]+)"', text)
    mounts = {mount["mountPath"] for mount in pod_of("base/deployment.yaml")["containers"][0]["volumeMounts"]}
    assert {str(Path(path).parent) for path in files} == mounts

    authority = trustme.CA().cert_pem.bytes().decode()
    for path in files:
        (tmp_path / Path(path).name).write_text(authority if path.endswith(".crt") else "secret", encoding="utf-8")
        text = text.replace(path, str(tmp_path / Path(path).name))
    (tmp_path / "consumer.toml").write_text(text.replace('"…"', '"cid"'), encoding="utf-8")
    settings = load(tmp_path / "consumer.toml", {})
    assert settings.workers.drain_s <= WorkerSettings().drain_s
    assert max(settings.makeas.timeout_s, settings.sesamy.timeout_s) <= MakeAsSettings().timeout_s


def test_probes_and_ports_are_those_of_the_program() -> None:
    container = pod_of("base/deployment.yaml")["containers"][0]

    assert [port["containerPort"] for port in container["ports"]] == [AdminSettings().port]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}, "no probe but readiness asks for Kafka"
    command, *words = container["args"]
    given = command_of(command).make_context(command, list(words)).params
    assert str(given["config"].parent) in {mount["mountPath"] for mount in container["volumeMounts"]}
    (scraped,) = manifest("components/prometheus-operator/podmonitor.yaml")["spec"]["podMetricsEndpoints"]
    assert scraped["path"] == "/metrics"


def test_a_rollout_adds_no_pod_and_a_secret_is_a_folder() -> None:
    deployment = manifest("base/deployment.yaml")["spec"]
    pod = deployment["template"]["spec"]

    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert not pod["automountServiceAccountToken"]
    for one in (pod, pod_of(JOB)):
        assert [mount for container in one["containers"] for mount in container["volumeMounts"] if "subPath" in mount] == []
        assert [container["env"] for container in one["containers"] if "env" in container] == []


def test_every_pod_gets_the_password_that_strimzi_makes() -> None:
    """Its patch reaches the folder of secrets in both, and an overlay lists the replay before it."""
    patches = manifest("components/strimzi-user/kustomization.yaml")["patches"]
    assert {one["target"]["kind"] for one in patches} == {"Deployment", "Job", "CronJob"}
    for name in ("base/deployment.yaml", JOB, NIGHTLY):
        assert "projected" in pod_of(name)["volumes"][1]
    listed = manifest("overlays/everything/kustomization.yaml")["components"]
    assert listed.index("../../components/replay-job") < listed.index("../../components/strimzi-user")


def test_the_budget_counts_pods_of_the_deployment_alone() -> None:
    """A Job has no scale: one of its pods among them, and Kubernetes refuses every eviction."""
    budget = manifest("base/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"]

    assert budget.items() <= manifest("base/deployment.yaml")["spec"]["template"]["metadata"]["labels"].items()
    assert not budget.items() <= manifest(JOB)["spec"]["template"]["metadata"]["labels"].items()


def test_a_replay_fails_for_good_where_trying_again_is_no_use() -> None:
    """What an upstream (69) or a cut-off (75) ended goes on; all other statuses of ours do not."""
    rules = manifest(JOB)["spec"]["podFailurePolicy"]["rules"]
    (fails,) = [rule["onExitCodes"]["values"] for rule in rules if rule["action"] == "FailJob"]
    documented = set(map(int, re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)))

    assert documented - set(fails) == {0, 69, 75}
    options = {name for param in command_of("replay").params for name in param.opts}
    assert {word for word in pod_of(JOB)["containers"][0]["args"] if word.startswith("--")} <= options


def replay_arguments(time: str) -> click.Context:
    """Parse what the Job gives to `replay`, from this time on."""
    args = [time if word == "TIME" else word for word in pod_of(JOB)["containers"][0]["args"]]
    assert (args.count(time), args[0]) == (1, "replay")
    return command_of("replay").make_context("replay", args[1:])


def test_a_replay_whose_time_nobody_has_set_is_refused() -> None:
    """The Job ends there: 64 is one of the statuses at which it fails for good."""
    with pytest.raises(click.UsageError, match="write a time of ISO 8601"):
        replay_arguments("TIME")

    given = replay_arguments("2026-11-24T08:00:00Z").params
    assert (given["from_ms"], given["yes"], given["dry_run"]) == (1_795_507_200_000, True, False)
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in pod_of(JOB)["containers"][0]["volumeMounts"]}
    assert [mounts[str(Path(given[name]).parent)] for name in ("config", "state", "report")] == [True, False, False]


def test_a_replay_has_the_time_that_its_work_takes() -> None:
    """100,000 users of one vendor, at the default share of its limit; and a Kafka that is gone for a day as it begins."""
    job, sesamy = manifest(JOB)["spec"], SesamySettings()
    share = replay_arguments("2026-11-24").params["rate_share"]
    assert job["activeDeadlineSeconds"] > 100_000 * 3 / (begins_at(sesamy.requests_per_minute) / 60 * share)
    # Kubernetes doubles the pause after each failure, up to six minutes.
    pauses = [min(10 * 2**tries, 360) for tries in range(job["backoffLimit"])]
    assert sum(pauses) > 86_400


def test_the_nightly_reconcile_is_what_the_program_takes() -> None:
    """It asks nobody, tells the pods, never meets itself, and ends for good where trying again is no use."""
    spec = manifest(NIGHTLY)["spec"]
    job, (container,) = spec["jobTemplate"]["spec"], pod_of(NIGHTLY)["containers"]
    command, *words = container["args"]
    given = command_of(command).make_context(command, words).params

    assert (command, given["yes"], given["publish"], given["dry_run"], given["state"]) == ("reconcile", True, True, False, None)
    assert given["rate_share"] == pytest.approx(0.1)
    assert spec["concurrencyPolicy"] == "Forbid"
    assert job["activeDeadlineSeconds"] < 86_400
    (fails,) = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert (fails["containerName"], fails["values"]) == (container["name"], [1, 64, 70, 77, 78])
    pod, replay = pod_of(NIGHTLY), pod_of(JOB)
    same = ("securityContext", "automountServiceAccountToken", "enableServiceLinks", "restartPolicy")
    assert {name: pod[name] for name in same} == {name: replay[name] for name in same}
    assert container["securityContext"] == replay["containers"][0]["securityContext"]
    listed = manifest("overlays/everything/kustomization.yaml")["components"]
    assert listed.index("../../components/reconcile-cronjob") < listed.index("../../components/strimzi-user")


def test_the_policy_by_name_lets_through_the_upstreams_and_no_other() -> None:
    rules = manifest("components/network-policy-by-name/ciliumnetworkpolicy.yaml")["spec"]["egress"]
    names = {one["matchName"] for rule in rules for one in rule.get("toFQDNs", ())}

    assert names == {urlsplit(url).hostname for url in (SesamySettings().base_url, SesamySettings().token_url, MakeAsSettings().base_url)}
    (labels,) = [peer["matchLabels"] for rule in rules for peer in rule.get("toEndpoints", ())]
    assert labels == {"k8s:io.kubernetes.pod.namespace": "kube-system"}


def test_the_scaler_asks_for_a_metric_that_there_is() -> None:
    """KEDA takes any field of a trigger, and any query."""
    (trigger,) = manifest("components/keda/scaledobject.yaml")["spec"]["triggers"]
    known = re.findall(r"^\| `(sesamy_makeas_\w+)`", (ROOT / "deploy/README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert (trigger["type"], set(trigger["metadata"])) == ("prometheus", {"serverAddress", "query", "threshold"})
    assert set(re.findall(r"sesamy_makeas_\w+", trigger["metadata"]["query"])) <= set(known)
    assert float(trigger["metadata"]["threshold"]) > 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_logs_in_as_the_user_that_strimzi_makes_at_a_port_that_is_let_through(overlay: str) -> None:
    kafka = tomllib.loads((KUSTOMIZE / "overlays" / overlay / "consumer.toml").read_text(encoding="utf-8"))["kafka"]
    user = manifest("components/strimzi-user/kafkauser.yaml")
    rules = manifest("base/networkpolicy.yaml")["spec"]["egress"]
    wanted = {"kubernetes.io/metadata.name": "kafka"}
    (ports,) = [rule["ports"] for rule in rules if rule["to"][0].get("namespaceSelector", {}).get("matchLabels") == wanted]

    (patch, *_) = manifest("components/strimzi-user/kustomization.yaml")["patches"]
    (added,) = yaml.safe_load(patch["patch"])
    assert added["value"]["secret"]["name"] == user["metadata"]["name"]
    assert [item["path"] for item in added["value"]["secret"]["items"]] == [Path(kafka["sasl_password"]["file"]).name]
    assert "strimzi.io/cluster" in user["metadata"]["labels"]
    assert (kafka["sasl_username"], kafka["sasl_mechanism"].lower()) == (user["metadata"]["name"], user["spec"]["authentication"]["type"])
    assert {address.rpartition(":")[2] for address in kafka["bootstrap_servers"]} == {str(one["port"]) for one in ports}


def test_the_shares_of_memory_hold_the_dirty_users() -> None:
    """At the limit of dirty users, at 400 bytes each, a pod needs no more than half of what it may have."""
    limit = pod_of("base/deployment.yaml")["containers"][0]["resources"]["limits"]["memory"]
    assert limit == "512Mi"
    assert WorkerSettings().max_dirty_users * 400 < 512 * 2**20 / 2


# ---- The receiver ----


RECEIVER: Final = "components/receiver"
WEBHOOK: Final = ReceiveSettings()


def test_a_receiver_takes_what_still_comes_before_it_drains_and_its_grace_outlasts_both() -> None:
    """The ingress hears late that a pod goes; then a slow body and Kafka have their time, and the producer to close."""
    pod = pod_of(f"{RECEIVER}/deployment.yaml")
    (container,) = pod["containers"]
    away_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    ready_s = container["readinessProbe"]["periodSeconds"]

    assert away_s > ready_s
    assert pod["terminationGracePeriodSeconds"] > away_s + WEBHOOK.timeout_s + BODY_S + process._MORE_S + clients.LEAVE_S


def test_a_receivers_ports_lead_from_the_host_to_the_events_and_nowhere_else() -> None:
    (container,) = pod_of(f"{RECEIVER}/deployment.yaml")["containers"]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"events": WEBHOOK.port, "admin": AdminSettings().port}
    command, *words = container["args"]
    given = command_of(command).make_context(command, words).params
    assert (command, str(given["config"].parent)) == ("receive", container["volumeMounts"][0]["mountPath"])
    paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {one["port"] for one in paths.values()} == {"admin"}
    assert [one["path"] for one in paths.values()] == ["/livez", "/livez", "/readyz"]

    service = manifest(f"{RECEIVER}/service.yaml")
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(WEBHOOK.port, "events")]
    (rule,) = manifest("components/receiver-ingress/ingress.yaml")["spec"]["rules"]
    assert [one["path"] for one in rule["http"]["paths"]] == [WEBHOOK.path]
    (rule,) = manifest("components/receiver-httproute/httproute.yaml")["spec"]["rules"]
    assert [one["path"]["value"] for one in rule["matches"]] == [WEBHOOK.path]
    assert [(one["name"], one["port"]) for one in rule["backendRefs"]] == [(service["metadata"]["name"], WEBHOOK.port)]


def test_who_stands_before_a_receiver_waits_for_longer_than_it_takes() -> None:
    """Its 503 says when to try again; a 504 of the ingress would not."""
    notes = manifest("components/receiver-ingress/ingress.yaml")["metadata"]["annotations"]
    assert float(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > WEBHOOK.timeout_s
    (rule,) = manifest("components/receiver-httproute/httproute.yaml")["spec"]["rules"]
    assert float(rule["timeouts"]["request"].removesuffix("s")) > WEBHOOK.timeout_s


def test_a_receiver_has_no_key_of_the_consumer_and_is_locked_down_as_it_is() -> None:
    pod, consumer = pod_of(f"{RECEIVER}/deployment.yaml"), pod_of("base/deployment.yaml")
    same = ("securityContext", "automountServiceAccountToken", "enableServiceLinks")
    assert {name: pod[name] for name in same} == {name: consumer[name] for name in same}
    assert pod["containers"][0]["securityContext"] == consumer["containers"][0]["securityContext"]

    mounted = {source["secret"]["name"] for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", ())}
    (filled,) = [manifest("components/receiver-external-secrets/externalsecret.yaml")["spec"]]
    assert mounted == {filled["target"]["name"]} == {"sesamy-makeas-receiver-secrets"}
    (entry,) = [one["extract"]["key"] for one in filled["dataFrom"]]
    assert entry not in {one["extract"]["key"] for one in manifest("components/external-secrets/externalsecret.yaml")["spec"]["dataFrom"]}


def test_a_receivers_example_names_files_of_its_pod_and_logs_in_as_its_own_user(tmp_path: Path) -> None:
    text = (KUSTOMIZE / "overlays/production/receiver.toml").read_text(encoding="utf-8")
    mounts = {mount["mountPath"] for mount in pod_of(f"{RECEIVER}/deployment.yaml")["containers"][0]["volumeMounts"]}
    assert {str(Path(path).parent) for path in re.findall(r'"(/[^"]+)"', text)} == mounts

    given = tomllib.loads(text)
    user = manifest("components/receiver-strimzi-user/kafkauser.yaml")
    assert given["kafka"]["sasl_username"] == user["metadata"]["name"]
    (patch,) = manifest("components/receiver-strimzi-user/kustomization.yaml")["patches"]
    (added,) = yaml.safe_load(patch["patch"])
    assert added["value"]["secret"]["name"] == user["metadata"]["name"]
    assert [item["path"] for item in added["value"]["secret"]["items"]] == [Path(given["kafka"]["sasl_password"]["file"]).name]
    good = given["receive"]["secret"]["file"], given["kafka"]["sasl_password"]["file"], given["kafka"]["ssl_cafile"]
    for path in good:  # The keys of Sesamy and Make.as are not there.
        (tmp_path / Path(path).name).write_text(trustme.CA().cert_pem.bytes().decode() if path.endswith(".crt") else "secret", "utf-8")
        text = text.replace(path, str(tmp_path / Path(path).name))
    (tmp_path / "receiver.toml").write_text(text.replace('"…"', '"cid"'), encoding="utf-8")
    settings = settings_of(tmp_path / "receiver.toml", {})
    assert (settings.receive.port, settings.receive.path) == (WEBHOOK.port, WEBHOOK.path)
    listed = manifest("overlays/everything/kustomization.yaml")["components"]
    assert listed.index(f"../../{RECEIVER}") < listed.index("../../components/receiver-strimzi-user")


def test_a_receivers_pods_are_counted_apart_from_the_consumers() -> None:
    """One chosen by the consumer's policies could reach the world; one in its job would hide that no consumer is there."""
    own = manifest(f"{RECEIVER}/deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    for name, field in (("base/networkpolicy.yaml", "podSelector"), ("components/prometheus-operator/podmonitor.yaml", "selector")):
        chosen = manifest(name)["spec"][field]["matchLabels"]
        assert chosen, name
        assert not chosen.items() <= own.items(), name
    (deployment,) = [manifest(f"{RECEIVER}/horizontalpodautoscaler.yaml")["spec"]["scaleTargetRef"]["name"]]
    assert deployment == manifest(f"{RECEIVER}/deployment.yaml")["metadata"]["name"]
    assert "replicas" not in manifest(f"{RECEIVER}/deployment.yaml")["spec"], "each apply would take the scaler's pods away"

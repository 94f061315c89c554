"""Spoils what the overlays make, one thing at a time, to see that the policy would notice it."""  # noqa: INP001

import copy
from collections.abc import Iterator
from typing import Any, Final

from policy import Document, called, policy

GONE: Final = object()

# Under the pod's template, of Deployment, Job and CronJob alike: a path, and what is put there.
POD_SPOILS: Final[tuple[tuple[str, Any], ...]] = (
    ("metadata/labels/app.kubernetes.io~1name", GONE),
    ("spec/automountServiceAccountToken", GONE),
    ("spec/enableServiceLinks", True),
    ("spec/hostIPC", True),
    ("spec/hostNetwork", True),
    ("spec/hostPID", True),
    ("spec/serviceAccountName", "default"),
    ("spec/securityContext", GONE),
    ("spec/securityContext/runAsNonRoot", False),
    ("spec/securityContext/fsGroup", GONE),
    ("spec/securityContext/seccompProfile/type", "Unconfined"),
    ("spec/containers/0/securityContext/allowPrivilegeEscalation", True),
    ("spec/containers/0/securityContext/capabilities/add", ["NET_RAW"]),
    ("spec/containers/0/securityContext/capabilities/drop", []),
    ("spec/containers/0/securityContext/privileged", True),
    ("spec/containers/0/securityContext/readOnlyRootFilesystem", GONE),
    ("spec/containers/0/env", [{"name": "KEY", "value": "x"}]),
    ("spec/containers/0/env", [{"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "x"}]),
    ("spec/containers/0/envFrom", [{"secretRef": {"name": "sesamy-makeas-secrets"}}]),
    ("spec/containers/0/volumeMounts/1/subPath", "key"),
    ("spec/containers/0/resources", GONE),
    ("spec/containers/0/resources/limits/memory", GONE),
    ("spec/containers/0/resources/requests/memory", GONE),
    ("spec/containers/0/image", "registry.example.com/sesamy-makeas:latest"),
    ("spec/containers/0/image", "registry.example.com/sesamy-makeas@sha256:00"),
    ("spec/initContainers", [{"name": "first", "image": "busybox:1.37"}]),
    ("spec/volumes/0/configMap/name", "another"),
    ("spec/volumes/0", {"name": "settings", "hostPath": {"path": "/"}}),
    ("spec/volumes/1/projected/defaultMode", 420),
    ("spec/volumes/1/projected/sources/0/secret/name", "another"),
)

TEMPLATES: Final = {"Deployment": "spec/template", "Job": "spec/template", "CronJob": "spec/jobTemplate/spec/template"}
_ARGS: Final = "spec/jobTemplate/spec/template/spec/containers/0/args"
_NIGHTLY: Final = ["reconcile", "--config", "/etc/sesamy-makeas/consumer.toml"]

SPOILS: Final[tuple[tuple[str, str, Any], ...]] = (
    *((kind, f"{folder}/{path}", value) for kind, folder in TEMPLATES.items() for path, value in POD_SPOILS),
    *(
        (kind, f"{folder}/spec/containers/0/lifecycle", {"preStop": {"exec": {"command": ["sleep", "30"]}}})
        for kind, folder in TEMPLATES.items()
    ),
    ("CronJob", "spec/concurrencyPolicy", GONE),
    ("CronJob", "spec/concurrencyPolicy", "Replace"),
    ("CronJob", "spec/startingDeadlineSeconds", GONE),
    ("CronJob", "spec/timeZone", GONE),
    ("CronJob", "spec/jobTemplate/spec/activeDeadlineSeconds", GONE),
    ("CronJob", "spec/jobTemplate/spec/activeDeadlineSeconds", 86401),
    ("CronJob", "spec/jobTemplate/spec/backoffLimit", GONE),
    ("CronJob", "spec/jobTemplate/spec/backoffLimit", 6),
    ("CronJob", "spec/jobTemplate/spec/podFailurePolicy", GONE),
    ("CronJob", "spec/jobTemplate/spec/podFailurePolicy/rules/1/onExitCodes/containerName", "consumer"),
    ("CronJob", "spec/jobTemplate/spec/podFailurePolicy/rules/1/onExitCodes/values", [64, 70, 77, 78]),
    ("CronJob", "spec/jobTemplate/spec/template/metadata/labels/app.kubernetes.io~1component", "consumer"),
    ("CronJob", "spec/jobTemplate/spec/template/spec/restartPolicy", "OnFailure"),
    ("CronJob", _ARGS, GONE),
    (
        "CronJob",
        _ARGS,
        [*_NIGHTLY, "--rate-share", "0.1", "--max-changes", "5%", "--publish"],
    ),
    ("CronJob", _ARGS, [*_NIGHTLY, "--rate-share", "0.1", "--yes", "--publish"]),
    ("CronJob", _ARGS, [*_NIGHTLY, "--max-changes", "5%", "--yes", "--publish"]),
    ("CronJob", _ARGS, [*_NIGHTLY, "--rate-share", "0.1", "--max-changes", "5%", "--yes"]),
    ("CronJob", "spec/jobTemplate/spec/template/spec/containers/0/volumeMounts/1", GONE),
    ("CronJob", "spec/jobTemplate/spec/template/spec/containers/0/volumeMounts/1/mountPath", "/run/secrets/another"),
    ("CiliumNetworkPolicy", "apiVersion", "cilium.io/v1"),
    ("CiliumNetworkPolicy", "spec", GONE),
    ("CiliumNetworkPolicy", "spec/endpointSelector/matchLabels/app.kubernetes.io~1component", "consumer"),
    ("CiliumNetworkPolicy", "kind", "ConfigMap"),
    ("Deployment", "spec/replicas", 2),
    ("Deployment", "spec/template/spec/containers/0/livenessProbe/httpGet/port", "other"),
    ("Deployment", "spec/template/spec/containers/0/ports", GONE),
    # The receiver's, whose Deployment alone has a lifecycle.
    ("Deployment", "spec/template/spec/containers/0/lifecycle/preStop/sleep/seconds", 1),
    ("Deployment", "spec/template/spec/containers/0/lifecycle/preStop/sleep/seconds", 30),
    ("Deployment sesamy-makeas-receiver", "spec/template/spec/topologySpreadConstraints", GONE),
    ("Deployment sesamy-makeas-receiver", "spec/template/spec/containers/0/resources/requests/cpu", GONE),
    ("Deployment sesamy-makeas-receiver", "spec/strategy/rollingUpdate/maxUnavailable", 2),
    ("ExternalSecret", "apiVersion", "external-secrets.io/v1beta1"),
    ("ExternalSecret", "spec/dataFrom", GONE),
    ("ExternalSecret", "spec/target/name", "another"),
    ("HTTPRoute", "apiVersion", "gateway.networking.k8s.io/v1beta1"),
    ("HTTPRoute", "spec/hostnames", GONE),
    ("HTTPRoute", "spec/parentRefs/0/sectionName", GONE),
    ("HTTPRoute", "spec/rules/0/matches", GONE),
    ("HTTPRoute", "spec/rules/0/matches/0/path/type", "PathPrefix"),
    ("HTTPRoute", "spec/rules/0/matches/0/path/value", "/"),
    ("HTTPRoute", "spec/rules/0/backendRefs/0/name", "another"),
    ("HTTPRoute", "spec/rules/0/backendRefs/0/port", 8080),
    ("HorizontalPodAutoscaler", "apiVersion", "autoscaling/v1"),
    ("HorizontalPodAutoscaler", "spec/maxReplicas", 2),
    ("HorizontalPodAutoscaler", "spec/minReplicas", 1),
    ("HorizontalPodAutoscaler", "spec/minReplicas", GONE),
    ("HorizontalPodAutoscaler", "spec/scaleTargetRef/name", "another"),
    ("Ingress", "apiVersion", "extensions/v1beta1"),
    ("Ingress", "metadata/annotations", {}),
    ("Ingress", "metadata/annotations/nginx.ingress.kubernetes.io~1force-ssl-redirect", "false"),
    ("Ingress", "metadata/annotations/nginx.ingress.kubernetes.io~1proxy-body-size", "0"),
    ("Ingress", "spec/defaultBackend", {"service": {"name": "sesamy-makeas-receiver", "port": {"name": "events"}}}),
    ("Ingress", "spec/tls", GONE),
    ("Ingress", "spec/tls/0/hosts", ["another.example.com"]),
    ("Ingress", "spec/rules/0/host", GONE),
    ("Ingress", "spec/rules/0/http/paths/0/path", "/"),
    ("Ingress", "spec/rules/0/http/paths/0/pathType", "Prefix"),
    ("Ingress", "spec/rules/0/http/paths/0/backend/service/name", "another"),
    ("Ingress", "spec/rules/0/http/paths/0/backend/service/port/name", "admin"),
    ("Job", "spec/podFailurePolicy", GONE),
    ("Job", "spec/podFailurePolicy/rules/1/onExitCodes/containerName", "consumer"),
    ("Job", "spec/podFailurePolicy/rules/1/onExitCodes/operator", GONE),
    ("Job", "spec/template/metadata/labels/app.kubernetes.io~1component", "consumer"),
    ("Job", "spec/template/spec/restartPolicy", "OnFailure"),
    ("Job", "spec/template/spec/volumes/2/persistentVolumeClaim/claimName", "another"),
    ("KafkaUser", "apiVersion", "kafka.strimzi.io/v1beta2"),
    ("KafkaUser", "metadata/name", "another"),
    ("NetworkPolicy", "spec/egress/1/to", []),
    ("NetworkPolicy", "spec/egress/2", GONE),
    ("NetworkPolicy", "spec/egress/2/ports", GONE),
    ("NetworkPolicy", "spec/egress/2/ports/0/port", 80),
    ("NetworkPolicy", "spec/egress/2/to/0/ipBlock/cidr", "0.0.0.0/33"),
    ("NetworkPolicy", "spec/egress/2/to/0/ipBlock/except/0", "10.0.0.0/9"),
    ("NetworkPolicy", "spec/egress/2/to/1/ipBlock/except", GONE),
    ("NetworkPolicy", "spec/egress/2/to/1", GONE),
    ("NetworkPolicy", "spec/ingress/0/from", GONE),
    ("NetworkPolicy", "spec/ingress/0/ports/0/port", "other"),
    ("NetworkPolicy", "spec/podSelector/matchLabels", {"app.kubernetes.io/component": "consumer"}),
    ("NetworkPolicy", "spec/policyTypes", ["Ingress"]),
    ("NetworkPolicy", "spec/podSelector", {}),
    ("NetworkPolicy sesamy-makeas-receiver", "spec/egress/0/ports/0/port", 443),
    ("NetworkPolicy sesamy-makeas-receiver", "spec/egress/1/to/0/namespaceSelector", {}),
    ("NetworkPolicy sesamy-makeas-receiver", "spec/ingress/1/from/0/namespaceSelector", {}),
    ("NetworkPolicy sesamy-makeas-receiver", "spec/ingress/0/ports/1", {"protocol": "TCP", "port": "admin"}),
    ("PodDisruptionBudget", "spec/maxUnavailable", 0),
    ("PodDisruptionBudget", "spec/selector/matchLabels/app.kubernetes.io~1component", GONE),
    ("PodDisruptionBudget", "spec/unhealthyPodEvictionPolicy", GONE),
    ("PodDisruptionBudget", "spec/selector", {"matchLabels": {}}),
    ("PodMonitor", "spec/podMetricsEndpoints/0/port", "other"),
    ("PodMonitor", "spec/selector/matchLabels/app.kubernetes.io~1name", "another"),
    ("PrometheusRule", "spec/groups/0/rules/0/annotations/runbook_url", GONE),
    ("PrometheusRule", "spec/groups/0/rules/1/annotations/runbook_url", "https://wiki.example.com/RUNBOOK.md#another"),
    ("ScaledObject", "spec/maxReplicaCount", 1),
    ("ScaledObject", "spec/scaleTargetRef/name", "another"),
    ("ScaledObject", "spec/triggers/0/metadata/query", "vector(0)"),
    ("Service", "apiVersion", "v2"),
    ("Service", "spec/ports/0/targetPort", "admin"),
    ("Service", "spec/ports/1", {"name": "admin", "port": 8080, "targetPort": "admin"}),
    ("Service", "spec/selector", GONE),
    ("Service", "spec/selector/app.kubernetes.io~1name", "sesamy-makeas"),
    ("Service", "spec/type", "LoadBalancer"),
    ("ServiceAccount", "automountServiceAccountToken", True),
)


def unnoticed(built: list[list[Document]]) -> Iterator[str]:
    """Return what could be spoilt without a word; `built` has the objects of each overlay, of which the policy has nothing to say."""
    for kind, path, value in SPOILS:
        noticed: dict[str, bool] = {}
        for documents in built:
            for name, after in spoilt(documents, kind, path, value):
                noticed[name] = noticed.get(name, False) or any(policy(after))
        yield from (f"policy: {kind}, {name}: {path} can be spoilt without a word" for name, was in noticed.items() if not was)
        if not noticed:
            yield f"policy: {kind}: {path} is nowhere, and could be spoilt without a word"


def spoilt(documents: list[Document], kind: str, path: str, value: Any) -> Iterator[tuple[str, list[Document]]]:  # noqa: ANN401 - whatever YAML has
    """Return an overlay's objects with one thing changed in one of this kind, with that one's name; nothing where none has such a place."""
    for index, one in enumerate(documents):
        if kind in {one["kind"], called(one)} and (changed := with_spoil(one, path, value)) is not None:
            yield one["metadata"]["name"], [*documents[:index], changed, *documents[index + 1 :]]


def with_spoil(document: Document, path: str, value: Any) -> Document | None:  # noqa: ANN401 - whatever YAML has
    """Return a copy with one thing changed; None where it has no such place."""
    changed = copy.deepcopy(document)
    *folders, last = (part.replace("~1", "/") for part in path.split("/"))
    try:
        place: Any = changed
        for part in folders:
            place = place[int(part) if isinstance(place, list) else part]
        key = int(last) if isinstance(place, list) else last
        if value is GONE:
            del place[key]
        elif isinstance(place, list) and key == len(place):
            place.append(value)
        else:
            place[key] = value
    except (KeyError, IndexError):
        return None
    return changed

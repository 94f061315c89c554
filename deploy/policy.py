"""What no schema says of an overlay's objects: how a pod is locked down, and that what one object names, another is."""  # noqa: INP001

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any, Final

# An object of Kubernetes, as YAML has it.
Document = dict[str, Any]

VERSIONS: Final = {
    "CiliumNetworkPolicy": "cilium.io/v2",
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "ExternalSecret": "external-secrets.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "KafkaUser": "kafka.strimzi.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "PodDisruptionBudget": "policy/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "Service": "v1",
    "ServiceAccount": "v1",
}
POD: Final = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "hostIPC": None,
    "hostNetwork": None,
    "hostPID": None,
    "shareProcessNamespace": None,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
CONTAINER: Final = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
# What the secrets are mounted as: readable by the pod's user and group.
SECRETS_MODE: Final = 0o440
# The pods that take Sesamy's webhook: as the others', their settings, secrets, login and policies are those of their own name.
RECEIVER: Final = "sesamy-makeas-receiver"
IMAGE: Final = re.compile(r"[^@]+(@sha256:[0-9a-f]{64}|:(?!latest$)[\w.-]+)")
# The world, without what is the cluster's, the cloud's or the company's own.
WORLD: Final = {
    "0.0.0.0/0": {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"},
    "::/0": {"fc00::/7", "fe80::/10"},
}
MOUNTS: Final = {"settings": "/etc/sesamy-makeas", "secrets": "/run/secrets/sesamy-makeas"}
# What a look each night must be told: how much of the limits it takes, what it may change unasked, and to leave its result.
NIGHTLY: Final = {"reconcile", "--rate-share", "--max-changes", "--yes", "--publish"}
# Exit statuses after which another try would not help: differences remain, usage, our bug, no permission, settings.
HOPELESS: Final = {1, 64, 70, 77, 78}
DAY_S: Final = 86_400
TRIES: Final = 3
# With one pod, its node's end is the webhook's.
TWO: Final = 2
HTTPS: Final = [{"protocol": "TCP", "port": 443}]
# What a receiver's pod may reach: names and Kafka.
INSIDE: Final = {"kube-system": {53}, "kafka": {9093}}
# For how long a pod that is sent events takes them though it is to go: the ingress hears of that a moment later than it.
AWAY_S: Final = 5
# The path of `receive.path`, and the longest body that the receiver takes.
EVENTS: Final = "/events"
BODY: Final = "1m"


def policy(documents: list[Document]) -> Iterator[str]:
    """Return what is wrong with the objects of one overlay."""
    empty = [called(one) for one in documents if one["kind"] not in {"ConfigMap", "ServiceAccount"} and "spec" not in one]
    if empty:
        yield from (f"{name}: has no spec" for name in empty)
        return
    for rule in RULES:
        yield from rule(documents)


def versions(documents: list[Document]) -> Iterator[str]:
    """Pin each kind's version: the schemas take any."""
    for one in documents:
        wanted = VERSIONS.get(one["kind"], "any that deploy/policy.py knows")
        if one["apiVersion"] != wanted:
            yield f"{called(one)}: apiVersion is {one['apiVersion']}, not {wanted}"


def pods(documents: list[Document]) -> Iterator[str]:
    """Look at what a pod has for all its containers."""
    for one in workloads(documents):
        pod = one["spec"]["template"]["spec"]
        yield from (f"{called(one)}: {key} is not {wanted}" for key, wanted in POD.items() if pod.get(key) != wanted)
        for volume in pod.get("volumes", ()):
            kinds = set(volume) - {"name"}
            if not kinds <= {"configMap", "projected", "persistentVolumeClaim"}:
                yield f"{called(one)}: volume {volume['name']} is of no kind that belongs there"
            if "projected" in kinds and volume["projected"].get("defaultMode") != SECRETS_MODE:
                yield f"{called(one)}: volume {volume['name']} is not of mode {SECRETS_MODE:04o}"


def containers(documents: list[Document]) -> Iterator[str]:
    """Look at each container: its rights, its image, its ports, and that no secret reaches it by a way that can't follow a new key."""
    for one, container in all_containers(documents):
        who = f"{called(one)}: {container['name']}"
        if container.get("securityContext") != CONTAINER:
            yield f"{who}: securityContext is not {CONTAINER}"
        yield from (f"{who}: has {key}" for key in ("envFrom", "lifecycle")[: 1 if own(one) == RECEIVER else 2] if key in container)
        yield from (f"{who}: has the variable {one['name']}" for one in container.get("env", ()) if not is_harmless(one))
        if any(key.startswith("subPath") for mount in container.get("volumeMounts", ()) for key in mount):
            yield f"{who}: a subPath keeps an old key for ever"
        where = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", ())}
        if not MOUNTS.items() <= where.items():
            yield f"{who}: does not mount settings and secrets where they are looked for"
        memory = [container.get("resources", {}).get(key, {}).get("memory") for key in ("requests", "limits")]
        if not all(memory):
            yield f"{who}: has no request or no limit of memory"
        if not IMAGE.fullmatch(container["image"]):
            yield f"{who}: {container['image']} is neither a digest nor a tag that stands"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container and container[probe].get("httpGet", {}).get("port") not in ports_of(container):
                yield f"{who}: {probe} asks a port that it does not have"


def is_harmless(variable: Document) -> bool:
    """Say whether a variable may be set: the collector of traces, and no secret; settings and secrets are files."""
    return set(variable) == {"name", "value"} and variable["name"].startswith("OTEL_") and not variable["name"].endswith("_HEADERS")


def names(documents: list[Document]) -> Iterator[str]:
    """See that what a pod names is there and of its own name, and that what fills its secrets fills those."""
    there = {(one["kind"], one["metadata"]["name"]) for one in documents}
    logins = {name for kind, name in there if kind == "KafkaUser"}
    every = workloads(documents)
    for one in every:
        pod = one["spec"]["template"]["spec"]
        volumes = pod.get("volumes", ())
        wanted = {("ServiceAccount", pod.get("serviceAccountName"))}
        settings = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
        wanted |= {("ConfigMap", name) for name in settings}
        claims = [volume["persistentVolumeClaim"] for volume in volumes if "persistentVolumeClaim" in volume]
        wanted |= {("PersistentVolumeClaim", claim["claimName"]) for claim in claims}
        yield from (f"{called(one)}: there is no {kind} {name}" for kind, name in sorted(wanted - there, key=str))
        if not all(name.startswith(f"{own(one)}-settings") for name in settings):
            yield f"{called(one)}: has settings that are not {own(one)}'s"
        sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", ())]
        mounted = {source["secret"]["name"] for source in sources if "secret" in source}
        secrets = {f"{own(one)}-secrets"} | ({own(one)} & logins)
        if mounted != secrets:
            yield f"{called(one)}: mounts the secrets {sorted(mounted)}, not {sorted(secrets)}"
    pods_of = {own(one) for one in every}
    for one in of(documents, "ExternalSecret"):
        if one["spec"]["target"]["name"] not in {f"{name}-secrets" for name in pods_of} or not one["spec"].get("dataFrom"):
            yield f"{called(one)}: does not fill a secret that a pod mounts"
    yield from (f"KafkaUser {name}: no pod logs in as it" for name in sorted(logins - pods_of))
    for one in of(documents, "ServiceAccount"):
        if one.get("automountServiceAccountToken") is not False:
            yield f"{called(one)}: its token is mounted"


def selectors(documents: list[Document]) -> Iterator[str]:
    """See that policies of the network cover every pod, each by its own alone, for they add up; and the others the Deployment's, as one."""
    every, scaled = workloads(documents), of(documents, "Deployment")
    for one in of(documents, "CiliumNetworkPolicy"):
        for pod in every:
            if selects(one["spec"].get("endpointSelector"), pod) != (own(pod) == one["metadata"]["name"]):
                yield f"{called(one)}: does not cover the pods of its name alone: {called(pod)}"
    for kind, covered, selector in (
        ("NetworkPolicy", every, "podSelector"),
        ("PodDisruptionBudget", scaled, "selector"),
        ("PodMonitor", scaled, "selector"),
    ):
        there = of(documents, kind)
        for pod in covered if there else ():
            by = [one["metadata"]["name"] for one in there if selects(one["spec"].get(selector), pod)]
            if by != [own(pod)]:
                yield f"{kind}: {called(pod)} is covered by {by}, not by {own(pod)} alone"
    for one in of(documents, "PodDisruptionBudget"):
        for pod in jobs_of(documents):
            if selects(one["spec"].get("selector"), pod):
                yield f"{called(one)}: counts the pods of {called(pod)}, which can't be scaled: every eviction is refused"


def ports(documents: list[Document]) -> Iterator[str]:
    """See that a port that is named is a container's of the pods that are meant."""
    for one in of(documents, "NetworkPolicy"):
        named = {port["port"] for rule in one["spec"].get("ingress", ()) for port in rule.get("ports", ())}
        yield from (
            f"{called(one)}: no pod has the port {port}" for port in named - ports_behind(documents, one["spec"].get("podSelector"))
        )
    for one in of(documents, "PodMonitor"):
        named = {end.get("port") for end in one["spec"]["podMetricsEndpoints"]}
        there = ports_behind(documents, one["spec"].get("selector"))
        # One that chooses no pod is for those that another overlay has.
        yield from (f"{called(one)}: no pod has the port {port}" for port in named - there if there)


def network(documents: list[Document]) -> Iterator[str]:
    """See that nothing is open which is not named, and that the world is open over HTTPS where no policy by name is there, and only so."""
    by_name = bool(of(documents, "CiliumNetworkPolicy"))
    for one in of(documents, "NetworkPolicy"):
        ingress, egress = one["spec"].get("ingress", []), one["spec"].get("egress", [])
        sides = [(rule, "from") for rule in ingress] + [(rule, "to") for rule in egress]
        if one["spec"].get("policyTypes") != ["Ingress", "Egress"] or not all(rule.get(side) and rule.get("ports") for rule, side in sides):
            yield f"{called(one)}: leaves something open"
        peers = [(peer["ipBlock"], rule) for rule in egress for peer in rule.get("to", ()) if "ipBlock" in peer]
        for block, rule in peers:
            yield from (f"{called(one)}: {text}" for text in addresses(block, rule))
        world = {block["cidr"] for block, _ in peers} & set(WORLD)
        if world != (set() if by_name or one["metadata"]["name"] == RECEIVER else set(WORLD)):
            yield f"{called(one)}: HTTPS to the world goes with no policy by name, and only so, and never for a receiver"


def receivers(documents: list[Document]) -> Iterator[str]:
    """See that a receiver goes on while pods, nodes and zones come and go."""
    for one in (one for one in of(documents, "Deployment") if own(one) == RECEIVER):
        if one["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{called(one)}: a rollout takes a pod away before another is there"
        pod = one["spec"]["template"]["spec"]
        if not pod.get("topologySpreadConstraints"):
            yield f"{called(one)}: may stand in one zone"
        for container in pod["containers"]:
            away_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if not AWAY_S <= away_s <= pod.get("terminationGracePeriodSeconds", 30) / 2:
                yield f"{called(one)}: its preStop does not outlast the ingress, or takes the time of the drain"


def inside(documents: list[Document]) -> Iterator[str]:
    """See that a receiver reaches nothing but names and Kafka, and that who sends it events does not reach its other port."""
    for one in (one for one in of(documents, "NetworkPolicy") if one["metadata"]["name"] == RECEIVER):
        for rule in one["spec"].get("egress", ()):
            spaces = {namespace_of(peer) for peer in rule.get("to", ()) if "ipBlock" not in peer}
            if len(spaces) != 1 or {port["port"] for port in rule.get("ports", ())} != INSIDE.get(spaces.pop()):
                yield f"{called(one)}: lets out to more than names and Kafka"
        for rule in one["spec"].get("ingress", ()):
            if len(rule.get("ports", ())) != 1 or not all(namespace_of(peer) for peer in rule.get("from", ())):
                yield f"{called(one)}: lets in to two ports at once, or from pods of no namespace"


def services(documents: list[Document]) -> Iterator[str]:
    """See that a Service leads to the port of events alone, and to nobody outside."""
    for one in of(documents, "Service"):
        there = ports_behind(documents, one["spec"].get("selector") and {"matchLabels": one["spec"]["selector"]})
        if one["spec"].get("type", "ClusterIP") != "ClusterIP" or not there:
            yield f"{called(one)}: has no pods, or is open without an ingress"
        if [port.get("targetPort") for port in one["spec"]["ports"]] != ["events"] or "events" not in there:
            yield f"{called(one)}: leads to another port than that of events"


def ingresses(documents: list[Document]) -> Iterator[str]:
    """See that an Ingress lets in one path of a host, over TLS, with a body that the receiver would take."""
    for one in of(documents, "Ingress"):
        spec, notes = one["spec"], one["metadata"].get("annotations", {})
        hosts = {rule.get("host") for rule in spec.get("rules", ())}
        if None in hosts or not hosts or hosts != {host for tls in spec.get("tls", ()) for host in tls.get("hosts", ())}:
            yield f"{called(one)}: TLS does not end there for each host, or for more"
        paths = [path for rule in spec.get("rules", ()) for path in rule["http"]["paths"]]
        if "defaultBackend" in spec or [(path["path"], path["pathType"]) for path in paths] != [(EVENTS, "Exact")]:
            yield f"{called(one)}: lets in more than {EVENTS}"
        for service in (path["backend"].get("service", {}) for path in paths):
            if (service.get("name"), service.get("port", {}).get("name")) not in doors(documents, "name"):
                yield f"{called(one)}: leads to no Service and port that is there"
        if notes.get("nginx.ingress.kubernetes.io/proxy-body-size") != BODY:
            yield f"{called(one)}: its longest body is not {BODY}"
        if notes.get("nginx.ingress.kubernetes.io/force-ssl-redirect") != "true":
            yield f"{called(one)}: takes a secret in clear"


def routes(documents: list[Document]) -> Iterator[str]:
    """See that an HTTPRoute lets in one path of a host, by a listener that is named."""
    for one in of(documents, "HTTPRoute"):
        spec = one["spec"]
        if not spec.get("hostnames") or not spec.get("parentRefs") or any("sectionName" not in ref for ref in spec["parentRefs"]):
            yield f"{called(one)}: is of every host, or of every listener, also of one without TLS"
        matches = [match.get("path") for rule in spec.get("rules", ()) for match in rule.get("matches", [{}])]
        if matches != [{"type": "Exact", "value": EVENTS}]:
            yield f"{called(one)}: lets in more than {EVENTS}"
        for ref in (ref for rule in spec.get("rules", ()) for ref in rule.get("backendRefs", [{}])):
            if (ref.get("name"), ref.get("port")) not in doors(documents, "port"):
                yield f"{called(one)}: leads to no Service and port that is there"


def addresses(block: Document, rule: Document) -> Iterator[str]:
    """Look at a peer that is a range of addresses; one of IPv4 with an exception of IPv6 raises a TypeError."""
    try:
        whole = ip_network(block["cidr"])
        if not all(ip_network(part).subnet_of(whole) for part in block.get("except", ())):
            yield f"an exception lies outside {block['cidr']}"
    except (TypeError, ValueError) as error:
        yield str(error)
    if block["cidr"] in WORLD and (rule.get("ports") != HTTPS or not set(block.get("except", ())) >= WORLD[block["cidr"]]):
        yield f"{block['cidr']} is more than HTTPS, or private addresses are in it"


def budget(documents: list[Document]) -> Iterator[str]:
    """See that a drain of nodes takes one pod at a time, and is kept up by none that is not ready."""
    for one in of(documents, "PodDisruptionBudget"):
        if (one["spec"].get("maxUnavailable"), one["spec"].get("unhealthyPodEvictionPolicy")) != (1, "AlwaysAllow"):
            yield f"{called(one)}: is not 1 and AlwaysAllow"


def jobs(documents: list[Document]) -> Iterator[str]:
    """See that a Job's failures are told apart: that needs pods which are not restarted in place, and its own container's name."""
    for one in jobs_of(documents):
        pod = one["spec"]["template"]["spec"]
        if pod.get("restartPolicy") != "Never":
            yield f"{called(one)}: restartPolicy is not Never"
        own = {container["name"] for container in pod["containers"]}
        rules = one["spec"].get("podFailurePolicy", {}).get("rules", ())
        codes = [rule["onExitCodes"] for rule in rules if "onExitCodes" in rule]
        if not codes or not all(code.get("containerName") in own and code.get("operator") == "In" for code in codes):
            yield f"{called(one)}: its podFailurePolicy is of no container of it"


def nights(documents: list[Document]) -> Iterator[str]:
    """See that a look each night never meets another, ends, is not tried in vain, and is bounded in what it changes."""
    for one in of(documents, "CronJob"):
        spec, job = one["spec"], one["spec"]["jobTemplate"]["spec"]
        if spec.get("concurrencyPolicy") != "Forbid" or "startingDeadlineSeconds" not in spec or "timeZone" not in spec:
            yield f"{called(one)}: is not kept to one at once, begun late at most by a bound, at an hour of a named zone"
        if not 0 < job.get("activeDeadlineSeconds", 0) < DAY_S:
            yield f"{called(one)}: has no activeDeadlineSeconds, or meets the next night"
        if not 0 <= job.get("backoffLimit", TRIES + 1) <= TRIES:
            yield f"{called(one)}: has no backoffLimit of at most {TRIES}"
        rules = job.get("podFailurePolicy", {}).get("rules", ())
        fails = {code for rule in rules if rule["action"] == "FailJob" for code in rule.get("onExitCodes", {}).get("values", ())}
        if not fails >= HOPELESS:
            yield f"{called(one)}: tries again after {sorted(HOPELESS - fails)}, which would not help"
        for container in job["template"]["spec"]["containers"]:
            if lacking := NIGHTLY - set(container.get("args", ())):
                yield f"{called(one)}: its args lack {sorted(lacking)}"


def scalers(documents: list[Document]) -> Iterator[str]:
    """See that a scaler looks at its own namespace's pods, and scales what is there and leaves the number to it."""
    deployments = {one["metadata"]["name"]: one for one in of(documents, "Deployment")}
    for one in of(documents, "ScaledObject"):
        spec, space = one["spec"], f'namespace="{one["metadata"].get("namespace")}"'
        target = deployments.get(spec["scaleTargetRef"]["name"])
        if target is None or "replicas" in target["spec"]:
            yield f"{called(one)}: there is no Deployment {spec['scaleTargetRef']['name']} that leaves it the number of pods"
        if not 1 <= spec.get("minReplicaCount", 0) <= spec.get("maxReplicaCount", 100):
            yield f"{called(one)}: minReplicaCount is 0, or above maxReplicaCount"
        if not all(space in trigger["metadata"].get("query", "") for trigger in spec["triggers"]):
            yield f"{called(one)}: its query is not limited to {space}"
    for one in of(documents, "HorizontalPodAutoscaler"):
        spec = one["spec"]
        target = deployments.get(spec["scaleTargetRef"]["name"])
        if target is None or "replicas" in target["spec"]:
            yield f"{called(one)}: there is no Deployment {spec['scaleTargetRef']['name']} that leaves it the number of pods"
        elif not all(container["resources"]["requests"].get("cpu") for container in target["spec"]["template"]["spec"]["containers"]):
            yield f"{called(one)}: measures by a request of CPU that is not there"
        if not TWO <= spec.get("minReplicas", 1) < spec["maxReplicas"]:
            yield f"{called(one)}: has fewer than {TWO} pods at times, or never more"


def alerts(documents: list[Document]) -> Iterator[str]:
    """See that each alert says where it is explained, all at one place, and each in its own chapter."""
    for one in of(documents, "PrometheusRule"):
        rules = [rule for group in one["spec"]["groups"] for rule in group["rules"]]
        places = [rule.get("annotations", {}).get("runbook_url", "").partition("#") for rule in rules]
        if len({base for base, _, _ in places}) != 1 or not all(base.startswith("https://") for base, _, _ in places):
            yield f"{called(one)}: its runbook_url are not all at one https address"
        if [chapter for _, _, chapter in places] != [rule["alert"].lower() for rule in rules]:
            yield f"{called(one)}: a runbook_url leads to another chapter than its alert's"


RULES: Final[tuple[Callable[[list[Document]], Iterator[str]], ...]] = (
    versions,
    pods,
    containers,
    names,
    selectors,
    ports,
    network,
    receivers,
    inside,
    services,
    ingresses,
    routes,
    budget,
    jobs,
    nights,
    scalers,
    alerts,
)


def of(documents: list[Document], *kinds: str) -> list[Document]:
    """Return the objects of these kinds."""
    return [one for one in documents if one["kind"] in kinds]


def workloads(documents: list[Document]) -> list[Document]:
    """Return what makes pods; of a CronJob the Job that it makes."""
    return [*of(documents, "Deployment"), *jobs_of(documents)]


def jobs_of(documents: list[Document]) -> list[Document]:
    """Return the Jobs, and those that CronJobs make, by the CronJob's name."""
    made = [{**one, "spec": one["spec"]["jobTemplate"]["spec"]} for one in of(documents, "CronJob")]
    return [*of(documents, "Job"), *made]


def all_containers(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """Return every container, with what makes its pod."""
    for one in workloads(documents):
        pod = one["spec"]["template"]["spec"]
        yield from ((one, container) for container in [*pod["containers"], *pod.get("initContainers", ())])


def ports_behind(documents: list[Document], selector: Document | None) -> set[str]:
    """Return the names of the ports of the pods that a selector chooses."""
    return {port for one, container in all_containers(documents) if selects(selector, one) for port in ports_of(container)}


def doors(documents: list[Document], by: str) -> set[tuple[Any, Any]]:
    """Return the ports of each Service, by name or by number."""
    return {(one["metadata"]["name"], port.get(by)) for one in of(documents, "Service") for port in one["spec"]["ports"]}


def own(workload: Document) -> str:
    """Return the name whose settings, secrets, login and policies a workload's pods have."""
    return str(workload["spec"]["template"]["metadata"].get("labels", {}).get("app.kubernetes.io/name", ""))


def namespace_of(peer: Document) -> str:
    """Return the one namespace that a peer is in; empty: it may be in several."""
    return str(peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", ""))


def ports_of(container: Document) -> set[str]:
    """Return the names of a container's ports."""
    return {port["name"] for port in container.get("ports", ())}


def selects(selector: Document | None, workload: Document) -> bool:
    """Return whether a selector covers the pods of a workload; we select by labels alone."""
    if selector is None or set(selector) - {"matchLabels"}:
        return False
    labels = workload["spec"]["template"]["metadata"]["labels"]
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def called(document: Document) -> str:
    """Return what an object is called in a message."""
    return f"{document['kind']} {document['metadata']['name']}"

"""The chart on a real node: helm installs and upgrades it, its pods run with their probes, rights and rules."""

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import pytest
from kubernetes import client

from devstack.api import AdminApi
from devstack.controlplane import control_plane
from devstack.kafka import LocalKafka
from devstack.node.cni import NODE
from tests.chart.helm import CHART, Helm
from tests.node.jobs import Jobs, until
from tests.node.service_image import service_image

NAME, NAMESPACE = "jobs-job-submission", "job-submission"


@dataclass
class Load:
    """Clients that POST one job after another through the Service, each on a connection of its own."""

    url: str
    answers: list[tuple[int, str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Load":
        self._clients = [threading.Thread(target=self._run) for _ in range(3)]
        for each in self._clients:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._clients:
            each.join()

    def _run(self) -> None:
        body = json.dumps(
            {
                "job": {
                    "project": "load",
                    "image": "busybox",
                }
            }
        ).encode()
        while not self._over.is_set():
            headers = {"RA-USER": "john", "Content-Type": "application/json"}
            request = urllib.request.Request(f"{self.url}/api/job", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.answers.append((answer.status, json.load(answer)["name"]))
            except urllib.error.HTTPError as error:
                with error:
                    self.answers.append((error.code, error.read().decode()))
            except OSError as error:
                self.answers.append((0, str(error)))
            time.sleep(0.2)


class Release:
    """The chart as installed on the real cluster."""

    def __init__(self, helm, kubeconfig, settings):
        self.settings = settings
        self._helm = helm
        self.install()
        self.jobs = Jobs("", kubeconfig)
        service = self.jobs.core.read_namespaced_service(NAME, NAMESPACE)
        self.jobs.url = f"http://127.0.0.1:{service.spec.ports[0].node_port}"

    def install(self, **more):
        """Install or upgrade, and wait until what is new is ready."""
        self.settings |= more
        sets = [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]
        where = ("--namespace", NAMESPACE, "--create-namespace")
        self._helm("upgrade", "--install", "jobs", str(CHART), *where, *sets, "--wait", "--timeout=150s")

    def test(self):
        """Run `helm test`, which raises what its pod complains of."""
        self._helm("test", "jobs", "--namespace", NAMESPACE, "--timeout=60s")

    def pods(self, role):
        """The pods of a role that are not on their way out."""
        selector = f"app.kubernetes.io/component={role}"
        listed = self.jobs.core.list_namespaced_pod(NAMESPACE, label_selector=selector)
        return [pod for pod in listed.items if pod.metadata.deletion_timestamp is None]

    def ready(self, role):
        """How many pods of a role are ready."""
        statuses = [pod.status.container_statuses for pod in self.pods(role)]
        return sum(each is not None and each[0].ready for each in statuses)

    def evict(self, role):
        """Take away a pod of a role as `kubectl drain` does, and wait until its successor is ready."""
        gone = self.pods(role)[0].metadata
        name = client.V1ObjectMeta(name=gone.name, namespace=NAMESPACE)
        self.jobs.core.create_namespaced_pod_eviction(gone.name, NAMESPACE, client.V1Eviction(metadata=name))
        until(lambda: gone.uid not in {pod.metadata.uid for pod in self.pods(role)}, lambda: self.pods(role))
        until(lambda: self.ready(role) == 2, lambda: self.pods(role))


@pytest.fixture(scope="module")
def release(real_cluster, pods_kafka_port, kafka_build, tmp_path_factory):
    """The chart with a Kafka on this machine, which its pods reach at the node's address."""
    real_cluster.node.publish(service_image(), "jobs/service")
    # of a project without pods: what matters is that each POST becomes a Job
    real_cluster.api.make_namespace("runai-load")
    quota = {"metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}}
    real_cluster.api.ensure("/api/v1/namespaces/runai-load/resourcequotas", quota)
    settings = {
        "image.repository": "registry.example/jobs/service",
        "image.tag": "latest",
        "kafka.bootstrapServers": f"{NODE}:{pods_kafka_port}",
        "projects.names": "{team-a,load}",
        "service.type": "NodePort",
        "expose.allowUnauthenticated": "true",
        # of a node with two cores
        "ingress.resources.requests.cpu": "50m",
        "consumer.resources.requests.cpu": "50m",
        "podTemplate.default.spec.containers[0].name": "job",
        "podTemplate.default.spec.containers[0].env[0].name": "TEAM",
        "podTemplate.default.spec.containers[0].env[0].value": "vision",
    }
    advertised = {"advertised.listeners": f"PLAINTEXT://{NODE}:{pods_kafka_port}"}
    helm = Helm(control_plane() / "bin" / "helm", real_cluster.kubeconfig)
    with LocalKafka(tmp_path_factory.mktemp("kafka"), port=pods_kafka_port, settings=advertised):
        yield Release(helm, str(real_cluster.kubeconfig), settings)


def test_its_pods_are_ready_by_their_probes_and_have_not_been_restarted(release):
    for role in ("ingress", "consumer"):
        statuses = [each for pod in release.pods(role) for each in pod.status.container_statuses]
        assert [(each.ready, each.restart_count) for each in statuses] == [(True, 0)] * 2


def test_a_job_that_it_made_runs_with_what_the_releases_template_gives_it(release):
    name = release.jobs.script('echo "made by a pod of $TEAM"')
    assert release.jobs.log(name) == "made by a pod of vision\n"


def test_helm_test_passes(release):
    release.test()
    (made,) = [
        job.metadata.name
        for job in release.jobs.batch.list_namespaced_job("runai-team-a").items
        if job.metadata.name.startswith(f"helm-{NAME}-test-")
    ]
    assert release.jobs.log(made).startswith("job-submission ")


def test_an_upgrade_and_a_drain_lose_nothing(release):
    before = {pod.metadata.uid for role in ("ingress", "consumer") for pod in release.pods(role)}
    with Load(release.jobs.url) as load:
        release.install(**{"ingress.podAnnotations.new": "yes", "consumer.podAnnotations.new": "yes"})
        for role in ("ingress", "consumer"):
            release.evict(role)
    after = {pod.metadata.uid for role in ("ingress", "consumer") for pod in release.pods(role)}
    assert not before & after
    assert [answer for answer in load.answers if answer[0] != 200] == []
    names = [name for _, name in load.answers]
    made = release.jobs.batch.list_namespaced_job("runai-load").items
    assert sorted(job.metadata.name for job in made) == sorted(names)


@pytest.mark.long  # the kubelet brings a ConfigMap within a minute or two
@pytest.mark.timeout(600)
def test_a_config_map_pauses_and_its_end_goes_on(release):
    core, started = release.jobs.core, time.monotonic()
    pause = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"{NAME}-pause"), data={"paused": "maintenance"})
    core.create_namespaced_config_map(NAMESPACE, pause)
    try:
        told(release, "creation-paused")
        print(f"paused after {time.monotonic() - started:.0f} s")
        status, body, _ = release.jobs.post({"image": "busybox", "name": "paused"}, Prefer="wait=2")
        assert (status, release.jobs.job("paused")) == (202, None), body
    finally:
        core.delete_namespaced_config_map(f"{NAME}-pause", NAMESPACE)
    started = time.monotonic()
    told(release, "creation-resumed")
    print(f"resumed after {time.monotonic() - started:.0f} s")
    until(lambda: release.jobs.job("paused"), lambda: "the submission that waited has no Job")


def told(release, action):
    """Wait until every consumer has logged an action."""

    def logs():
        return [
            release.jobs.core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE) for pod in release.pods("consumer")
        ]

    until(lambda: all(action in log for log in logs()), logs, seconds=300)


def test_a_new_token_in_the_volume_is_taken_when_the_old_one_counts_no_more(release, real_cluster, inside):
    """Last of all: the kubelet would bring the old token back within its next minute or so."""
    core, account = release.jobs.core, f"{NAME}-consumer"
    files = {pod.metadata.uid: token_file(inside, pod) for pod in release.pods("consumer")}
    old = [file.read_text() for file in files.values()]
    body = core.read_namespaced_service_account(account, NAMESPACE)
    core.delete_namespaced_service_account(account, NAMESPACE)
    body.metadata = client.V1ObjectMeta(name=account, labels=body.metadata.labels)
    core.create_namespaced_service_account(NAMESPACE, body)
    # the API server believes a token for ten seconds after it has looked
    until(lambda: not any(is_known(real_cluster.api, each) for each in old), lambda: "the old tokens count still")
    answers = []
    poster = threading.Thread(target=lambda: answers.append(release.jobs.post({"image": "busybox"})[:2]))
    poster.start()
    poster.join(2)
    assert answers == []  # neither made nor refused
    while poster.is_alive():
        for pod in release.pods("consumer"):
            files[pod.metadata.uid].write_text(new_token(core, account, pod))
        poster.join(1)
    assert [status for status, _ in answers] == [200]


def token_file(inside, pod):
    """A pod's token as the kubelet keeps it."""
    volumes = inside / "root/run/node/kubelet/pods" / pod.metadata.uid / "volumes/kubernetes.io~projected"
    (file,) = volumes.glob("kube-api-access-*/..2*/token")
    return file


def new_token(core, account, pod):
    """A token for a pod, as the kubelet asks for one."""
    bound = client.V1BoundObjectReference(api_version="v1", kind="Pod", name=pod.metadata.name, uid=pod.metadata.uid)
    wanted = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], bound_object_ref=bound))
    return core.create_namespaced_service_account_token(account, NAMESPACE, wanted).status.token


def is_known(api, token):
    """Whether the API server takes a token."""
    try:
        AdminApi(api.url, token, api.ca_file).request("GET", "/version")
    except urllib.error.HTTPError as error:
        with error:
            return error.code != 401
    return True

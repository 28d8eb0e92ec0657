"""`make run`: Kafka, a Kubernetes API and the service together, until Ctrl-C."""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import kubernetes

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.controlplane import is_built
from devstack.kafka import LocalKafka
from devstack.kafka_cluster import KafkaCluster
from devstack.node import sample_images
from devstack.node.cluster import RealCluster
from devstack.ports import free_port, reserve
from devstack.process import ServerError
from devstack.service import ServiceProcess
from devstack.standin import LocalStandIn

NAMESPACES = ("runai-team-a", "runai-team-b", "runai-team-c")
_EXAMPLE = '{"job": {"project": "team-a", "image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}}'
_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACES[0]}/jobs"


class Progress:
    """Lines of progress on standard error, each with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        """Print one line."""
        print(f"[{time.monotonic() - self._started:5.1f} s] {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Kubernetes:
    """The Kubernetes API of a run.

    Attributes:
        title: what the banner calls it.
        environment: the service's settings for it.
        look: the commands that show the Jobs.
    """

    title: str
    environment: dict[str, str]
    look: tuple[str, ...]


def terminate_as_interrupt() -> None:
    """Let SIGTERM and a closed terminal (SIGHUP) end this process as Ctrl-C does, through its `finally`s.

    SIGINT too: a shell starts its background jobs with it ignored, and Python leaves it so.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def up(data_dir: Path) -> None:
    """Run Kafka and the control plane alone until interrupted; print where they are.

    Raises:
        ServerError: something did not start.
    """
    say = Progress()
    with _brokers(data_dir / "kafka", say) as kafka, _cluster(data_dir, say) as cluster:
        print(
            f"\nKafka           {kafka.bootstrap_servers}"
            f"\nKubernetes API  {cluster.api.url}"
            f"\nkubeconfig      {cluster.kubeconfig}"
            "\nfor the tests   "
            f"TEST_KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap_servers} TEST_KUBECONFIG={cluster.kubeconfig}"
            f"\nlogs and data   {data_dir}"
            "\n\nCtrl-C stops both.",
            flush=True,
        )
        signal.pause()


def _brokers(data_dir: Path, say: Progress) -> LocalKafka | KafkaCluster:
    """As many brokers as the variable BROKERS says; one by default."""
    given = os.environ.get("BROKERS") or "1"
    if given not in ("1", "3"):
        raise ServerError(f"BROKERS is {given}: it must be 1, or 3 for three brokers with three replicas of everything")
    return LocalKafka(data_dir, say=say) if given == "1" else KafkaCluster(data_dir, say=say)


def run(data_dir: Path) -> None:
    """Run everything until interrupted.

    Raises:
        ServerError: something did not start, or the service ended by itself.
    """
    say = Progress()
    if os.environ.get("NODE", "") not in ("", "real"):
        raise ServerError(f"NODE is {os.environ['NODE']}: it must be real, so that pods run, or unset")
    context = os.environ.get("KUBE_CONTEXT", "")
    given = _given(context) if context else None
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        say("starting Kafka and Kubernetes")
        starting = pool.submit(
            stack.enter_context, LocalKafka(data_dir / "kafka", port=_port("KAFKA_PORT", 9092, say), say=say)
        )
        kube = given or _owned(stack, data_dir, say)
        kafka: LocalKafka = starting.result()
        say("starting the service")
        http = _port("HTTP_PORT", 8080, say)
        metrics = _port("METRICS_PORT", 9090, say)
        inherited = {
            name: value for name, value in os.environ.items() if name not in {"KUBE_CONTEXT", "KUBE_CONFIG_FILE"}
        }
        settings = {
            **inherited,
            **kube.environment,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(http),
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": str(metrics),
        }
        service = ServiceProcess("all", settings, on_terminal=True)
        stack.callback(service.stop)
        service.until_ready(timeout=60)
        say("ready")
        print(banner(kube, kafka.bootstrap_servers, http, metrics, data_dir), flush=True)
        raise ServerError(f"the service ended with exit code {service.wait()}; its output is above")


def banner(kube: Kubernetes, bootstrap_servers: str, http: int, metrics: int, data_dir: Path) -> str:
    """What to do with a stack that runs; every command can be pasted as it stands."""
    python = (
        shlex.quote(os.path.relpath(sys.executable))
        if Path(sys.executable).is_relative_to(Path.cwd())
        else sys.executable
    )
    job = shlex.quote(_EXAMPLE)
    look = "\n".join(f"  {command}" for command in kube.look)
    return f"""
Page        http://127.0.0.1:{http}/ (log in as john; the API to try out: http://127.0.0.1:{http}/docs)
Jobs        http://127.0.0.1:{http}/api/job
Kafka       {bootstrap_servers} (topics job-submissions, job-outcomes, job-submissions-dead-letters, job-events)
Kubernetes  {kube.title}
Metrics     http://127.0.0.1:{metrics}/metrics
Logs, data  {data_dir}

Submit a job over HTTP:
  curl -X POST http://127.0.0.1:{http}/api/job -H 'RA-USER: john' -H 'Content-Type: application/json' \\
    --data-raw {job}

The same straight to Kafka; the first prints the outcome too:
  {python} -m devstack produce --bootstrap-servers {bootstrap_servers} {job}
  echo {job} | kcat -P -b {bootstrap_servers} -t job-submissions

Ask what has become of the jobs:
  curl -H 'RA-USER: john' 'http://127.0.0.1:{http}/api/v1/jobs?project=team-a'

Look at the Jobs:
{look}

Ctrl-C stops everything.
"""


def _owned(stack: ExitStack, data_dir: Path, say: Progress) -> Kubernetes:
    """The local control plane where it is built, else the stand-in; with the namespaces of the sample projects.

    With NODE=real the control plane has a real node, and is built if it is not yet.
    """
    server: LocalCluster | LocalStandIn | RealCluster
    node = os.environ.get("NODE", "")
    if node:
        title = "a local control plane with a real node: pods run, with the images busybox, python and the example's"
        server = RealCluster(data_dir, say=say)
        sample_images.publish(server.node)
    elif is_built():
        title = "a local control plane with fake GPU nodes (kwok)"
        server = _cluster(data_dir, say)
    else:
        title = "an in-memory stand-in (kmock), not a cluster; `make cluster` builds the real one"
        server = LocalStandIn(data_dir / "stand-in")
    stack.enter_context(server)
    for namespace in NAMESPACES:
        server.api.make_namespace(namespace)
    authority = f"--cacert {server.api.ca_file} " if server.api.ca_file else ""
    look = [f"curl -s {authority}-H 'Authorization: Bearer {server.api.token}' {server.api.url}{_JOBS}"]
    if node:
        look.append(_logs_command(server.api, data_dir))
    if shutil.which("kubectl"):
        look.append(f"kubectl --kubeconfig {server.kubeconfig} -n {NAMESPACES[0]} get jobs")
    return Kubernetes(title, {"KUBE_CONFIG_FILE": str(server.kubeconfig)}, tuple(look))


def _logs_command(api: AdminApi, data_dir: Path) -> str:
    """What prints the log of every pod of the first sample project, with nothing but curl and a shell."""
    login = data_dir / "curl"
    login.write_text(f'silent\ncacert = "{api.ca_file}"\nheader = "Authorization: Bearer {api.token}"\n')
    login.chmod(0o600)
    curl, pods = f"curl -K {shlex.quote(str(login))}", f"{api.url}/api/v1/namespaces/{NAMESPACES[0]}/pods"
    # the names of items are eight spaces from the left, those of all else further
    names = f"""$({curl} '{pods}?pretty=true' | sed -n 's/^        "name": "\\(.*\\)",/\\1/p')"""
    return f'for pod in {names}; do echo "$pod:"; {curl} {pods}/$pod/log; done'


def _given(context: str) -> Kubernetes:
    """The cluster of a context of the user's kubeconfig; nothing in it is changed here."""
    try:
        client = kubernetes.config.new_client_from_config(context=context)  # type: ignore[no-untyped-call] # its own
        namespaces = kubernetes.client.CoreV1Api(client).list_namespace(_request_timeout=10)
    except Exception as error:  # the client's failures have no common class
        raise ServerError(f"the cluster of the kubeconfig context {context!r} does not answer: {error}") from error
    missing = set(NAMESPACES) - {each.metadata.name for each in namespaces.items if each.metadata}
    title = f"the cluster of the kubeconfig context {context}"
    if missing:
        title += f"; projects need their namespaces, missing here: {', '.join(sorted(missing))}"
    look = f"kubectl --context {shlex.quote(context)} -n {NAMESPACES[0]} get jobs"
    return Kubernetes(title, {"KUBE_CONTEXT": context}, (look,))


def _cluster(data_dir: Path, say: Progress) -> LocalCluster:
    return LocalCluster(data_dir / "kubernetes", controllers=True, say=say)


def _port(variable: str, usual: int, say: Progress) -> int:
    """The port of an environment variable or the usual one; a free one if that is taken."""
    wanted = int(os.environ.get(variable) or usual)
    if wanted and reserve(wanted):
        return wanted
    port = free_port()
    say(f"port {wanted} is taken: {variable} is {port} instead")
    return port


def data_folder(given: Path | None, stack: ExitStack) -> Path:
    """The folder given, kept; else a fresh one, removed after a good end and kept, for its logs, after a failure."""
    if given:
        given.mkdir(parents=True, exist_ok=True)
        return given.resolve()
    folder = Path(tempfile.mkdtemp(prefix="job-submission-"))

    def remove(error_type: type[BaseException] | None, *_: object) -> None:
        if error_type in (None, KeyboardInterrupt):
            shutil.rmtree(folder, ignore_errors=True)

    stack.push(remove)
    return folder

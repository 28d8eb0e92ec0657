"""The image, built and run, wherever a Docker engine of this machine has, or can get, the Dockerfile's base image.

Both roles run in it as in their pods (read-only root, no capabilities, the service account's files), on the host's
network, against the Kafka and the API server of the tests.
"""

import contextlib
import json
import re
import socket
import time
import urllib.request
import uuid
from pathlib import Path

import pytest

from devstack.ports import free_port
from tests.chart import run
from tests.chart.helm import CHART

ROOT = Path(__file__).parents[2]
CURL = re.compile(r"--data-raw '(.*?)'", re.DOTALL)
pytestmark = pytest.mark.timeout(900)  # the base image and the dependencies may have to come through a slow line


@pytest.fixture(scope="module")
def engine():
    """A client of a Docker engine that can run the base image here; without one the tests are left out, visibly."""
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415 - it takes 0.3 s, for most sessions in vain

    from tests.docker_engine import docker_has, quiet  # noqa: PLC0415 - as above

    base = re.search(r"^ARG PYTHON=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    said = ["no Docker engine answers"]
    if not docker_has(base, said.append):
        pytest.skip(f"LEFT OUT: the image was not built: {said[-1]}")
    with quiet():
        client = DockerClient(timeout=300).client
    with contextlib.closing(client):
        if not _reaches_this_machine(client, base):
            # in a virtual machine, or rootless
            pytest.skip("LEFT OUT: the image was not built: containers on the host's network do not reach this machine")
        yield client


def _reaches_this_machine(client, base):
    import docker  # noqa: PLC0415 - as above

    with socket.create_server(("127.0.0.1", 0)) as here:
        call = f"import socket; socket.create_connection(('127.0.0.1', {here.getsockname()[1]}), 5)"
        try:
            client.containers.run(base, ["python", "-c", call], network_mode="host", remove=True)
        except docker.errors.ContainerError:
            return False
    return True


@pytest.fixture(scope="module")
def image(engine):
    tag = f"job-submission:test-{uuid.uuid4().hex[:6]}"
    built, _ = engine.images.build(path=str(ROOT), tag=tag, network_mode="host", rm=True)
    yield built
    engine.images.remove(tag)  # not by its id: the same image may have a name of somebody's own


def test_the_image_says_what_it_is(image):
    config = image.attrs["Config"]
    chart = (CHART / "Chart.yaml").read_text()
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"], config["Cmd"]) == (["python", "-m", "service"], ["all"])
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/tcp"}
    assert config["Healthcheck"]["Test"][0] == "CMD"  # without a shell
    version = config["Labels"]["org.opencontainers.image.version"]
    assert f'appVersion: "{version}"' in chart
    print(f"\nimage: {image.attrs['Size'] / 1e6:.0f} MB with its base")


@pytest.mark.parametrize("installer", ["pip", "ensurepip", "setuptools"])
def test_no_installer_is_left_in_the_image(engine, image, installer):
    ask = f"import importlib.util as u; print(u.find_spec({installer!r}))"
    assert engine.containers.run(image, ["-c", ask], entrypoint="python", remove=True, network_mode="none") == b"None\n"


def test_nothing_is_compiled_at_the_start(engine, image):
    # nor at a health check
    ask = (
        "import os, sys, http.client, service.__main__; specs = [m.__spec__ for m in [*sys.modules.values()]]; "
        "print([s.name for s in specs if s and s.cached and not os.path.exists(s.cached)])"
    )
    said = engine.containers.run(image, ["-c", ask], entrypoint="python", remove=True, network_mode="none")
    assert said == b"[]\n"


@pytest.fixture
def start(engine, image):
    """Start a role in the image as its pod would; the container, and the seconds until it was ready."""
    containers = []

    def started(role, environment, volumes, user=None):
        port = environment["METRICS_PORT"]
        begun = time.monotonic()
        container = engine.containers.run(
            image,
            [role],
            environment=environment,
            volumes=volumes,
            user=user,
            network_mode="host",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            detach=True,
        )
        containers.append(container)
        while True:
            assert time.monotonic() - begun < 60, container.logs().decode()[-3000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                return container, time.monotonic() - begun
            time.sleep(0.1)

    yield started
    for container in containers:
        container.remove(force=True)


def test_the_documents_curl_in_the_image(start, helm, kafka_server, cluster_server, tmp_path):
    api = cluster_server.api
    project = f"image-{uuid.uuid4().hex[:6]}"
    release = helm.on(cluster_server.kubeconfig)
    settings = run.install(release, api, kafka_server.bootstrap_servers, (project,))
    try:
        files = tmp_path / "serviceaccount"  # what the kubelet mounts
        files.mkdir()
        (files / "token").write_text(run.token_of(api, f"{run.NAME}-consumer"))
        (files / "ca.crt").write_bytes(api.ca_file.read_bytes())
        host, _, port = api.url.removeprefix("https://").partition(":")
        mounts = {str(files): {"bind": "/var/run/secrets/kubernetes.io/serviceaccount", "mode": "ro"}}
        pod = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "CONSUMER_INSTANCE_ID": "image-0"}
        ports = {"HTTP_PORT": str(free_port()), "METRICS_PORT": str(free_port())}
        consumer, consumer_seconds = start("consumer", settings | pod | {"METRICS_PORT": str(free_port())}, mounts)
        # as a user whom the image does not know, as on OpenShift
        ingress, ingress_seconds = start("ingress", settings | ports, {}, user="1000680000:0")
        print(f"\nimage: consumer ready after {consumer_seconds:.1f} s, ingress after {ingress_seconds:.1f} s")

        body = CURL.search((ROOT / "README.md").read_text())[1].replace("team-a", project)
        request = urllib.request.Request(
            f"http://127.0.0.1:{ports['HTTP_PORT']}/api/job",
            body.encode(),
            {"RA-USER": "john", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            name = json.load(answer)["name"]
        made = api.request("GET", f"/apis/batch/v1/namespaces/runai-{project}/jobs/{name}")
        assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "gcr.io/run-ai-demo/quickstart"

        for container in (ingress, consumer):
            # its port is not the one of the defaults
            assert container.exec_run(check := container.attrs["Config"]["Healthcheck"]["Test"][1:]).exit_code == 0
            assert container.exec_run(check, environment={"METRICS_PORT": str(free_port())}).exit_code == 1
            container.stop(timeout=45)
            container.reload()
            assert container.attrs["State"]["ExitCode"] == 0, container.logs().decode()[-3000:]
    finally:
        release("uninstall", run.RELEASE, "--namespace", run.NAMESPACE)

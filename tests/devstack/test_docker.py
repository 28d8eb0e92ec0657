"""Whatever goes wrong with Docker is one line, and the local build takes its place."""

import contextlib
import gc
import json
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config

from devstack.api import AdminApi
from devstack.kafka import LocalKafka
from devstack.process import ServerError
from tests import containers, docker_engine, servers
from tests.devstack.fake_engine import FakeEngine, running
from tests.servers import CLUSTER_IMAGE, KAFKA_IMAGE, Source

PULLING = f"pulling {KAFKA_IMAGE} with Docker (once)"


@pytest.fixture
def engine(monkeypatch):
    with running(FakeEngine()) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", True)
        yield engine
        gc.collect()  # a socket left open would be a warning now, and warnings are errors


@pytest.fixture
def said():
    return []


def test_an_image_that_is_there_needs_no_word(engine, said):
    engine.images = {KAFKA_IMAGE}
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is True
    assert said == []


def test_no_engine_is_no_docker_and_needs_no_word(tmp_path, monkeypatch, said):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody-listens")
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is False
    gc.collect()  # as above
    assert said == []


def test_an_engine_that_was_named_and_does_not_answer(monkeypatch, said):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is False
    assert len(said) == 1
    assert "Connection refused" in said[0]


def test_an_engine_on_another_machine_is_not_used(engine, monkeypatch, said):
    engine.images = {KAFKA_IMAGE}
    monkeypatch.setattr(testcontainers_config, "tc_host_override", "build.example.com")
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is False
    assert said == [f"no {KAFKA_IMAGE} from Docker: its engine is not on this machine but on build.example.com"]


@pytest.mark.parametrize(
    "pull",
    [
        (404, "pull access denied"),
        (500, "pull access denied"),
        [{"status": "Pulling from apache/kafka", "id": "4.2.1"}, {"error": "pull access denied"}],
    ],
)
def test_an_image_that_cannot_be_pulled(engine, said, pull):
    engine.pull = pull
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is False
    assert said == [PULLING, f"no {KAFKA_IMAGE} from Docker: pull access denied"]


def test_a_pull_shows_how_far_it_is(engine, monkeypatch, said):
    monkeypatch.setattr(docker_engine, "_SECONDS_BETWEEN_LINES", 0)
    engine.pull = [
        {"status": "Pulling fs layer", "id": "a", "progressDetail": {}},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 10_000_000, "total": 30_000_000}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 2_000_000, "total": 10_000_000}},
    ]
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is True
    assert said == [PULLING, *(f"     0 s  {far} MB" for far in ("0 of 0", "10 of 30", "12 of 40"))]


def test_a_pull_that_stands_still_is_given_up(engine, monkeypatch, said):
    monkeypatch.setattr(docker_engine, "_SECONDS_OF_SILENCE", 0.1)
    engine.pull = [{"status": "Downloading", "id": "a", "progressDetail": {}}, 2.5]
    assert docker_engine.docker_has(KAFKA_IMAGE, said.append) is False
    assert said == [PULLING, f"no {KAFKA_IMAGE} from Docker: nothing came for 0 s"]


def test_without_the_reapers_image_there_is_no_reaper(engine, monkeypatch, said):
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", False)
    docker_engine.ensure_reaper(said.append)
    image = testcontainers_config.ryuk_image
    assert said == [
        f"pulling {image} with Docker (once)",
        f"containers of a session that is killed will stay, as {image} does not run: pull access denied",
    ]
    docker_engine.ensure_reaper(said.append)
    assert len(said) == 2


@pytest.mark.parametrize(("server", "image"), [("kafka", KAFKA_IMAGE), ("kubernetes", CLUSTER_IMAGE)])
def test_a_container_that_ends_while_starting_is_removed(engine, said, server, image):
    engine.images = {image}
    engine.log = "first\nException: no memory\n"
    with contextlib.ExitStack() as stack:
        assert containers.start(server, stack, said.append) is None
    assert said == [f"no {server} from Docker: the container ended while starting: Exception: no memory"]
    assert engine.removed == 1


def test_a_container_that_does_not_come_up_in_time():
    class Silent:
        status = "running"

        def reload(self):
            pass

        def logs(self, tail):
            return b""

    with pytest.raises(ServerError, match="the container is not ready after 0 s: it wrote nothing"):
        containers._wait_until(lambda: False, Silent(), timeout=0)


def test_the_local_build_takes_the_place_of_a_container(engine, monkeypatch, said):
    engine.images = {KAFKA_IMAGE}
    engine.log = "no memory"
    built = []
    monkeypatch.setattr(servers, "build", lambda server, _: built.append(server))
    with contextlib.ExitStack() as stack:
        opener = servers.prepare("kafka", Source.DOCKER, {}, stack, said.append)
    assert (built, opener) == (["kafka"], LocalKafka)
    assert said[-1] == "kafka of the tests: the local build"


def test_a_kubeconfig_with_a_client_certificate(tmp_path):
    files = tmp_path / "admin.crt", tmp_path / "admin.key"
    api = AdminApi("https://127.0.0.1:1", "", tmp_path / "ca.crt", files)
    user = json.loads(api.kubeconfig())["users"][0]["user"]
    assert (Path(user["client-certificate"]), Path(user["client-key"])) == tuple(file.resolve() for file in files)

"""The chart's Kafka: its container's very environment, read as its image reads it, makes a broker that serves."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from devstack.ports import free_port
from service.settings import Settings, read_settings
from tests.chart.kafka_image import KafkaContainer
from tests.round_trip import round_trip

NAME = "x-job-submission-kafka"


@pytest.fixture(scope="module")
def rendered(render: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return render("minimal", "kafka.bootstrapServers=", "embeddedKafka.enabled=true")


@pytest.fixture(scope="module")
def container(rendered: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    (found,) = rendered["StatefulSet", NAME]["spec"]["template"]["spec"]["containers"]
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is not a pod's here: the name of its Service, its ports and its volume."""
    return {
        f"{NAME}.jobs.svc:9092": f"127.0.0.1:{free_port()}",
        "localhost:9093": f"127.0.0.1:{free_port()}",
        "/var/lib/kafka/data": str(tmp_path_factory.mktemp("volume")),
    }


@pytest.fixture(scope="module")
def kafka(
    kafka_build: None, container: dict[str, Any], here: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaContainer]:
    port = here[f"{NAME}.jobs.svc:9092"].rpartition(":")[2]
    variables = {each["name"]: each["value"] for each in container["env"]}
    for theirs, ours in {**here, "//:9092": f"//:{port}"}.items():
        assert any(theirs in value for value in variables.values()), theirs
        variables = {name: value.replace(theirs, ours) for name, value in variables.items()}
    broker = KafkaContainer(tmp_path_factory.mktemp("container"), variables)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def settings(
    rendered: dict[tuple[str, str], dict[str, Any]], here: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The settings of the release's own ConfigMap."""
    for name, value in rendered["ConfigMap", "x-job-submission-settings"]["data"].items():
        monkeypatch.setenv(name, here.get(value, value))
    return read_settings()


async def test_a_submission_goes_through_and_outlives_a_restart_of_the_pod(
    kafka: KafkaContainer, settings: Settings, here: dict[str, str]
) -> None:
    assert settings.kafka.bootstrap_servers == here[f"{NAME}.jobs.svc:9092"]
    await round_trip(settings.kafka, settings.topics, settings.consumer)

    await asyncio.to_thread(kafka.stop)
    assert "already formatted" in await asyncio.to_thread(kafka.start)

    await round_trip(settings.kafka, settings.topics, settings.consumer)  # the first one stays committed


async def test_every_variable_is_a_property_that_kafka_knows(
    kafka: KafkaContainer, container: dict[str, Any], settings: Settings
) -> None:
    meant = {each["name"].removeprefix("KAFKA_").lower().replace("_", ".") for each in container["env"]}
    assert kafka.properties.keys() == meant - {"heap.opts"}

    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        broker = ConfigResource(ConfigResourceType.BROKER, kafka.properties["node.id"])
        (answer,) = await admin.describe_configs([broker])
    finally:
        await admin.close()
    ((*_, entries),) = answer.resources
    known = {name: value for name, value, _, _, sensitive, *_ in entries if not sensitive}  # what it does not know is
    assert {name: known.get(name) for name in kafka.properties} == kafka.properties


def test_the_ports_of_the_service_and_the_probes_are_the_listener_s(
    kafka: KafkaContainer,
    rendered: dict[tuple[str, str], dict[str, Any]],
    container: dict[str, Any],
    here: dict[str, str],
) -> None:
    (port,) = rendered["Service", NAME]["spec"]["ports"]
    assert container["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    assert container["startupProbe"]["tcpSocket"] == {"port": port["targetPort"]}
    host, _, ours = here[f"{NAME}.jobs.svc:{port['port']}"].partition(":")
    socket.create_connection((host, int(ours))).close()


def test_data_is_on_the_volume_and_nowhere_else(
    kafka: KafkaContainer, here: dict[str, str], container: dict[str, Any]
) -> None:
    (mount,) = container["volumeMounts"]
    volume = Path(here[mount["mountPath"]])
    assert (volume / "log" / "meta.properties").exists()
    assert Path(kafka.properties["log.dirs"]).is_relative_to(volume)
    assert "log.dir" not in kafka.properties

"""The whole service behind TLS and a login, with the documented rights alone and sessions that the broker ends."""

import asyncio
import json
import uuid
from collections.abc import Iterator

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from service.broker import Topics
from service.broker.connection import client_arguments
from service.settings import TopicSettings
from tests.integration.conftest import Api
from tests.secured_kafka import LIMITED, LIMITED_PASSWORD, SecuredKafka, documented_rights
from tests.servers import ClusterServer
from tests.service_process import ServiceProcess

JOB = {"job": {"project": "team-a", "image": "busybox"}}
LOGIN = ("LOGIN", "SCRAM-SHA-512")


@pytest.fixture
async def names(secured_kafka: SecuredKafka) -> TopicSettings:
    run = uuid.uuid4().hex[:8]
    names = TopicSettings(submissions=f"s-{run}", outcomes=f"o-{run}", dead_letters=f"d-{run}")
    await Topics(secured_kafka.settings(*LOGIN), names).ensure()
    await secured_kafka.grant(documented_rights(names, f"g-{run}"))
    return names


@pytest.fixture
def limited_service(
    secured_kafka: SecuredKafka, names: TopicSettings, cluster_server: ClusterServer, api: Api
) -> Iterator[ServiceProcess]:
    """Both roles, logged in as a user with no right too many."""
    variables = secured_kafka.variables(*LOGIN, sasl_username=LIMITED, sasl_password=LIMITED_PASSWORD)
    topics = {f"TOPICS_{name.upper()}": getattr(names, name) for name in ("submissions", "outcomes", "dead_letters")}
    rest = {"CONSUMER_GROUP": names.submissions.replace("s-", "g-"), "TOPICS_CREATE": "false"}
    process = ServiceProcess("all", variables | topics | rest | {"KUBE_CONFIG_FILE": str(cluster_server.kubeconfig)})
    try:
        yield process.until_ready()
    finally:
        assert process.stop() == 0
        assert LIMITED_PASSWORD not in str(process.lines)


async def test_a_post_and_a_record_of_a_stranger_become_jobs(
    secured_kafka: SecuredKafka, names: TopicSettings, limited_service: ServiceProcess, api: Api
) -> None:
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{limited_service.url}/api/job", json=JOB, headers={"RA-USER": "john"})
        assert answer.status == 200
        posted = (await answer.json())["name"]

    login = client_arguments(secured_kafka.settings("MUTUAL"))
    async with (
        AIOKafkaConsumer(names.outcomes, **login, auto_offset_reset="earliest") as outcomes,
        AIOKafkaProducer(**login) as producer,
        asyncio.timeout(30),
    ):
        await producer.send_and_wait(names.submissions, json.dumps(JOB).encode())
        made = {json.loads((await outcomes.getone()).value)["name"] for _ in range(2)}

    assert posted in made
    assert len(made) == 2
    for name in made:
        assert (await api.job(name))["metadata"]["name"] == name
    refusals = [line for line in limited_service.lines if line["level"] in ("warning", "error")]
    assert refusals == []

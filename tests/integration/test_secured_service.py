"""The whole service behind TLS and a login, with the documented rights alone and sessions that the broker ends."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from devstack.service import ServiceProcess
from service.broker import Topics
from service.broker.connection import client_arguments
from service.settings import TopicSettings
from tests.integration.conftest import Api
from tests.secured_kafka import (
    DESCRIBE,
    GROUP,
    LATE,
    LIMITED,
    LIMITED_PASSWORD,
    PASSWORD,
    READ,
    TOPIC,
    SecuredKafka,
    documented_rights,
)
from tests.servers import ClusterServer

JOB = {"job": {"project": "team-a", "image": "busybox"}}
WRITE_NOWHERE = "Kafka's ACLs do not let this user write to any topic"
LOGIN = ("LOGIN", "SCRAM-SHA-512")


@pytest.fixture
async def names(secured_kafka: SecuredKafka) -> TopicSettings:
    run = uuid.uuid4().hex[:8]
    names = TopicSettings(submissions=f"s-{run}", outcomes=f"o-{run}", dead_letters=f"d-{run}", job_events=f"e-{run}")
    await Topics(secured_kafka.settings(*LOGIN), names, job_events=True).ensure()
    return names


@pytest.fixture
def start(
    secured_kafka: SecuredKafka, names: TopicSettings, cluster_server: ClusterServer, api: Api
) -> Iterator[Callable[[str, str], ServiceProcess]]:
    """Start both roles, logged in as a user who may do what has been granted."""
    processes = []
    kinds = ("submissions", "outcomes", "dead_letters", "job_events")
    topics = {f"TOPICS_{kind.upper()}": getattr(names, kind) for kind in kinds}
    rest = {"CONSUMER_GROUP": names.submissions, "TOPICS_CREATE": "false"}
    rest |= {"WATCHER_GROUP": f"{names.submissions}-watcher", "WATCHER_NAMESPACES": "runai-team-a"}
    rest["KUBE_CONFIG_FILE"] = str(cluster_server.kubeconfig)

    def started(user: str, password: str, role: str = "all") -> ServiceProcess:
        variables = secured_kafka.variables(*LOGIN, sasl_username=user, sasl_password=password)
        processes.append(ServiceProcess(role, variables | topics | rest))
        return processes[-1]

    yield started
    for process in processes:
        assert process.stop() == 0
        assert not any(password in str(process.lines) for password in (PASSWORD, LIMITED_PASSWORD))


async def test_a_post_and_a_record_of_a_stranger_become_jobs(
    secured_kafka: SecuredKafka, names: TopicSettings, start: Callable[[str, str], ServiceProcess], api: Api
) -> None:
    await secured_kafka.grant(documented_rights(names, names.submissions))
    service = start(LIMITED, LIMITED_PASSWORD).until_ready()
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{service.url}/api/job", json=JOB, headers={"RA-USER": "john"})
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
    assert [line for line in service.lines if "uthoriz" in str(line) or line.get("severity") == "fault"] == []


async def test_rights_that_are_granted_later_need_no_restart(
    secured_kafka: SecuredKafka, names: TopicSettings, start: Callable[[str, str], ServiceProcess]
) -> None:
    service = start(LATE, PASSWORD)
    await asyncio.to_thread(service.wait_for, "kafka-unreachable", client="producer", reason=WRITE_NOWHERE)
    rights = documented_rights(names, names.submissions)
    without = [right for right in rights if right[0] != GROUP and right[1] != names.outcomes]
    await secured_kafka.grant(without, LATE)
    refused = f"[Error 30] GroupAuthorizationFailedError: {names.submissions}"
    await asyncio.to_thread(service.wait_for, "kafka-client-replaced", client="submissions", reason=refused)
    refused = f"[Error 29] TopicAuthorizationFailedError: {names.outcomes}"
    await asyncio.to_thread(service.wait_for, "kafka-unreachable", client="outcomes", reason=refused)
    said = [line["action"] for line in service.lines].count(f"Topic {names.outcomes} is not authorized for this client")
    assert said <= 6  # a line or two a try, not one every 50 ms

    await secured_kafka.grant(rights, LATE)

    await asyncio.to_thread(service.until_ready)


async def test_an_ingress_that_may_not_read_what_becomes_of_jobs_takes_submissions_all_the_same(
    secured_kafka: SecuredKafka, names: TopicSettings, start: Callable[..., ServiceProcess]
) -> None:
    rights = documented_rights(names, names.submissions)
    await secured_kafka.grant([right for right in rights if right[1] != names.job_events])
    service = start(LIMITED, LIMITED_PASSWORD, "ingress")
    await asyncio.to_thread(service.until_ready)
    async with aiohttp.ClientSession(headers={"RA-USER": "john"}) as http:
        async with http.post(f"{service.url}/api/job", json=JOB, headers={"Prefer": "respond-async"}) as answer:
            assert answer.status == 202
        async with http.get(f"{service.url}/api/v1/jobs") as answer:
            missing = f"there is no topic {names.job_events}, or this service may not describe it"
            assert (answer.status, (await answer.json())["details"]) == (503, missing)

        await secured_kafka.grant([right for right in rights if right[1] == names.job_events and right[2] == DESCRIBE])
        async with asyncio.timeout(60):
            while "TopicAuthorizationFailedError" not in str(await _details(http, service)):
                await asyncio.sleep(0.2)

        await secured_kafka.grant([(TOPIC, names.job_events, READ)])
        async with asyncio.timeout(60):
            while (await _details(http, service)) is not None:
                await asyncio.sleep(0.2)


async def _details(http: aiohttp.ClientSession, service: ServiceProcess) -> str | None:
    async with http.get(f"{service.url}/api/v1/jobs") as answer:
        return (await answer.json()).get("details")

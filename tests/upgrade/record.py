"""Makes `corpus.json` anew: what the first release wrote to Kafka and to Kubernetes, and what it answered.

`python -m tests.upgrade.record`, on a Kafka and a control plane of its own. Records keep key, value and headers as text
of one character a byte (ISO 8859-1), as some are not UTF-8. What they say is in `tests/unit/first_release_cases.py`,
which has to be written anew with it: identities of records without an id, uids and times are others each time.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, TopicPartition

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.kafka import LocalKafka
from tests.upgrade.first_release import first_release

CORPUS: Final = Path(__file__).with_name("corpus.json")
TOPICS: Final = ("job-submissions", "job-outcomes", "job-submissions-dead-letters")
RESOURCES: Final = (
    "apis/batch/v1/{}/jobs",
    "api/v1/{}/persistentvolumeclaims",
    "api/v1/{}/services",
    "apis/networking.k8s.io/v1/{}/ingresses",
)
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVERYTHING: Final = {
    "name": "given",
    "project": "team-a",
    "image": "quickstart",
    "gpu": 1,
    "environment": {"A": "$B"},
    "ttlAfterFinish": "1h",
    "pvc": [{"size": "1GB", "path": "/data"}],
    "ports": [{"container": 8080}],
    "serviceType": "ingress",
}
POSTS: Final[tuple[tuple[dict[str, str], Any], ...]] = (
    ({"Idempotency-Key": "monday-run"}, {"project": "team-a", "image": "busybox", "gpu": 1}),
    ({"Idempotency-Key": "monday-run"}, {"project": "team-a", "image": "busybox", "gpu": 2}),
    ({}, {"project": "team-a", "image": "busybox"}),
    ({"Idempotency-Key": "everything", "traceparent": TRACE}, EVERYTHING),
    ({"Idempotency-Key": "taken"}, {"project": "team-a", "image": "busybox", "name": "given"}),
    ({"Idempotency-Key": "restricted"}, {"project": "restricted", "image": "busybox"}),
    ({"Idempotency-Key": "nowhere"}, {"project": "nowhere", "image": "busybox"}),
    (
        {"Idempotency-Key": "short", "RA-USER": "jöhn@example.com"},
        {"project": "team-a", "image": "busybox", "ttlAfterFinish": "0s"},
    ),
)
BODY: Final = b'{"job": {"project":"team-a",  "image":"busybox"}}\n'
RECORDS: Final[tuple[tuple[bytes | None, dict[str, bytes], bytes | None], ...]] = (
    (BODY, {}, None),
    (
        BODY,
        {
            "ce_specversion": b"1.0",
            "ce_id": b"run-42",
            "ce_source": b"/my/scheduler",
            "ce_type": b"my.run",
            "content-type": b"application/json",
            "ra-user": b"john",
            "correlation-id": b"run-42",
            "traceparent": TRACE.encode(),
        },
        b"a key of its own",
    ),
    (b'{"job": {"project": "team-a", "gpu": -1}}', {"ce_id": b"faulty", "ce_source": b"/my/scheduler"}, None),
    (b"not json", {"ce_id": b"no-json", "ce_source": b"/my/scheduler"}, None),
    (b" " * 1025, {"ce_id": b"too-large", "ce_source": b"/my/scheduler"}, None),
    (None, {"ce_id": b"empty", "ce_source": b"/my/scheduler"}, b"a tombstone"),
    (BODY, {"ce_id": b"", "correlation-id": b"nobody", "x": b"\xff"}, b"k"),
)


def main() -> None:
    """Record the corpus."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalKafka(Path(folder, "kafka")) as kafka,
        LocalCluster(Path(folder, "cluster")) as cluster,
    ):
        warn = {"pod-security.kubernetes.io/warn": "restricted"}
        for project, labels in (("team-a", {}), ("restricted", warn)):
            cluster.api.ensure("/api/v1/namespaces", {"metadata": {"name": f"runai-{project}", "labels": labels}})
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KUBE_CONFIG_FILE": str(cluster.kubeconfig),
            # with more of them a record whose key belongs to another partition is written once more
            "TOPICS_PARTITIONS": "1",
            "HTTP_MAX_BODY_BYTES": "1024",
        }
        service = first_release("all", settings).until_ready()
        try:
            corpus = asyncio.run(_exchange(service.url, kafka.bootstrap_servers))
        finally:
            service.stop()
        corpus["objects"] = _objects(cluster.api)
    CORPUS.write_text(json.dumps(corpus, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


async def _exchange(url: str, bootstrap_servers: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer,
        AIOKafkaConsumer(bootstrap_servers=bootstrap_servers) as consumer,
    ):
        answers = [await _post(session, url, *each) for each in POSTS]
        for value, headers, key in RECORDS:
            await producer.send_and_wait(TOPICS[0], value, key, headers=list(headers.items()))
        written: dict[str, Any] = {topic: [] for topic in TOPICS}
        expected = {TOPICS[0]: len(POSTS) + len(RECORDS), TOPICS[1]: len(POSTS) + len(RECORDS) - 1, TOPICS[2]: 1}
        consumer.assign([TopicPartition(topic, 0) for topic in TOPICS])
        await consumer.seek_to_beginning()
        while {topic: len(records) for topic, records in written.items()} != expected:
            async with asyncio.timeout(20):
                record = await consumer.getone()
            written[record.topic].append(_record(record))
    return {"answers": answers, **written}


async def _post(session: aiohttp.ClientSession, url: str, headers: dict[str, str], job: dict[str, Any]) -> Any:
    body = json.dumps({"job": job})
    sent = {"RA-USER": "john", "Content-Type": "application/json", **headers}
    async with session.post(f"{url}/api/job", data=body, headers=sent) as answer:
        return {"headers": sent, "body": body, "status": answer.status, "answer": await answer.json()}


def _record(record: ConsumerRecord) -> dict[str, Any]:
    return {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("latin-1")


def _objects(api: AdminApi) -> list[Any]:
    found = []
    for project in ("team-a", "restricted"):
        for path in RESOURCES:
            answer = api.request("GET", f"/{path.format(f'namespaces/runai-{project}')}")
            for item in answer["items"]:
                item["metadata"].pop("managedFields")
                found.append({"kind": answer["kind"].removesuffix("List"), **item})
    return found


if __name__ == "__main__":
    main()

"""An outcome in a partition that its topic has got since the submitter began to read; the test is the service."""

import asyncio
import json
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from job_submission import KafkaSubmitter
from job_submission import kafka as module


async def test_outcomes_of_partitions_old_and_added_are_found(kafka_server, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    servers, run = kafka_server.bootstrap_servers, uuid.uuid4().hex[:8]
    topics = {"submissions": f"submissions-{run}", "outcomes": f"outcomes-{run}"}
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1) for name in topics.values()])
    submissions = AIOKafkaConsumer(topics["submissions"], bootstrap_servers=servers, auto_offset_reset="earliest")
    names = []
    async with (
        KafkaSubmitter(servers, **topics) as submitter,
        submissions,
        AIOKafkaProducer(bootstrap_servers=servers, metadata_max_age_ms=100) as producer,
    ):
        for number, partitions in enumerate((1, 1, 3, 3, 4)):
            if partitions > len(await producer.partitions_for(topics["outcomes"])):
                await admin.create_partitions({topics["outcomes"]: NewPartitions(total_count=partitions)})
            while len(await producer.partitions_for(topics["outcomes"])) < partitions:
                await asyncio.sleep(0.05)
            submitting = asyncio.create_task(submitter.submit(project="team-a", image="x", timeout=60))
            asked = await anext(submissions)
            await producer.send_and_wait(
                topics["outcomes"],
                json.dumps({"name": f"job-{number}"}).encode(),
                key=asked.key,
                partition=(number + 1) % partitions,
                headers=[("status", b"200"), ("correlation-id", dict(asked.headers)["correlation-id"])],
            )
            names.append((await submitting).name)
    await admin.close()
    assert names == [f"job-{number}" for number in range(5)]

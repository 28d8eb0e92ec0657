"""Producing straight to the topic: the record is the API, and the outcome comes back on the outcomes topic."""

import asyncio
import json
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from devstack.service import ServiceProcess
from service.submission.identity import SubmissionId, generated_name, record_id

BODY = json.dumps({"job": {"project": "team-a", "image": "quickstart"}}).encode()


async def test_a_bare_record_works(topic, api):
    sent = await topic.send(BODY)
    identity = record_id(sent.topic, sent.partition, sent.offset, sent.timestamp)
    record = await topic.outcome(identity.key)
    name = generated_name(None, identity)
    assert json.loads(record.value) == {"name": name}
    assert record.partition == sent.partition
    headers = dict(record.headers)
    assert (headers["status"], headers["submission-source"]) == (b"200", identity.source.encode())
    await api.job(name)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_every_codec_a_producer_may_choose(topic, environment, api, codec):
    servers = environment["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(bootstrap_servers=servers, compression_type=codec) as producer:
        sent = await producer.send_and_wait(topic.submissions, BODY)
    identity = record_id(sent.topic, sent.partition, sent.offset, sent.timestamp)
    assert dict((await topic.outcome(identity.key)).headers)["status"] == b"200"


async def test_a_cloud_event_with_everything(topic, api):
    own_id = uuid.uuid4().hex
    identity = SubmissionId("/tests", own_id)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": own_id.encode(),
        "ce_source": b"/tests",
        "ce_type": b"anything",
        "content-type": b"application/json; charset=utf-8",
        "ra-user": b"mary",
        "correlation-id": b"mine",
        "traceparent": trace.encode(),
    }
    await topic.send(BODY, headers)
    record = await topic.outcome(identity.key)
    name = generated_name(None, identity)
    got = dict(record.headers)
    got.pop("ce_time")
    fingerprint = got.pop("fingerprint")
    assert json.loads(record.value) == {"name": name}
    assert got == {
        "status": b"200",
        "ce_specversion": b"1.0",
        "ce_id": identity.key.encode(),
        "ce_source": b"/job-submission",
        "ce_type": b"io.job-submission.outcome",
        "content-type": b"application/json",
        "submission-source": b"/tests",
        "submission-id": own_id.encode(),
        "project": b"team-a",
        "correlation-id": b"mine",
        "ra-user": b"mary",
        "traceparent": trace.encode(),
    }
    annotations = (await api.job(name))["metadata"]["annotations"]
    assert annotations["job-submission.io/user"] == "mary"
    assert annotations["job-submission.io/traceparent"] == trace
    assert annotations["job-submission.io/fingerprint"] == fingerprint.decode()


async def test_another_key_and_partition_meet_their_duplicate(topic, api):
    """A producer may choose any key and partition; the duplicates still make one Job."""
    own_id = uuid.uuid4().hex
    identity = SubmissionId("/tests", own_id)
    headers = {"ce_id": own_id.encode(), "ce_source": b"/tests"}
    for partition in range(3):
        await topic.send(BODY, headers | {"correlation-id": str(partition).encode()}, partition=partition, key=b"x")
    names = set()
    for _ in range(3):
        names.add(json.loads((await topic.outcome(identity.key)).value)["name"])
    assert names == {generated_name(None, identity)}


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (None, b"400"),
        (b"", b"400"),
        (b"not json", b"400"),
        (b'{"job": {"project": "team-a"}}', b"400"),
        (b'{"job": {"project": "nowhere", "image": "i"}}', b"404"),
        (json.dumps({"job": {"project": "team-a", "image": "i", "arguments": ["x" * 60_000]}}).encode(), b"200"),
        (b"x" * 65_537, b"413"),
    ],
)
async def test_a_rejection_comes_back_too(topic, value, status):
    sent = await topic.send(value, key=b"any")
    identity = record_id(sent.topic, sent.partition, sent.offset, sent.timestamp)
    record = await topic.outcome(identity.key)
    body = json.loads(record.value)
    assert dict(record.headers)["status"] == status
    assert "name" in body if status == b"200" else set(body) >= {"status", "code", "reason", "message"}


async def test_a_record_whose_id_cannot_be_read_becomes_a_dead_letter_and_has_an_outcome(topic, environment):
    headers = {"ce_id": b"\xff\xfe", "correlation-id": b"waiting"}
    sent = await topic.send(BODY, headers, key=b"my key")
    consumer = AIOKafkaConsumer(
        environment["TOPICS_DEAD_LETTERS"],
        bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"],
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            async for letter in consumer:
                if letter.key == b"my key":  # other tests set records aside as well
                    break
    finally:
        await consumer.stop()
    headers = dict(letter.headers)
    assert (letter.key, letter.value, headers["ce_id"]) == (b"my key", BODY, b"\xff\xfe")
    assert headers["kafka_dlt-original-topic"] == sent.topic.encode()
    assert int.from_bytes(headers["kafka_dlt-original-partition"]) == sent.partition
    assert int.from_bytes(headers["kafka_dlt-original-offset"]) == sent.offset
    assert b"ce_id" in headers["kafka_dlt-exception-message"]
    record = await topic.outcome(record_id(sent.topic, sent.partition, sent.offset, sent.timestamp).key)
    assert dict(record.headers)["correlation-id"] == b"waiting"
    assert json.loads(record.value) == {
        "status": 400,
        "code": 400,
        "reason": "InvalidParameter",
        "message": "headers: header ce_id must be UTF-8 text",
        "details": [{"path": "headers", "message": "header ce_id must be UTF-8 text"}],
    }


@pytest.mark.parametrize("name", ["ce-id", "CE_ID", "Idempotency-Key"])
async def test_the_same_id_twice_makes_one_job_however_its_header_is_written(topic, api, name):
    """Found by attack: ids in other spellings were dropped in silence, and each copy made a Job."""
    own_id = uuid.uuid4().hex
    identity = SubmissionId(f"/topics/{topic.submissions}", own_id)
    for number in range(2):
        headers = {name: own_id.encode(), "RA-USER": b"mary", "Correlation-ID": b"%d" % number}
        await topic.send(BODY, headers, partition=number)
    records = [await topic.outcome(identity.key) for _ in range(2)]
    job = generated_name(None, identity)
    assert [json.loads(record.value) for record in records] == [{"name": job}] * 2
    assert {dict(record.headers)["correlation-id"] for record in records} == {b"0", b"1"}
    assert (await api.job(job))["metadata"]["annotations"]["job-submission.io/user"] == "mary"


async def test_a_header_that_looks_like_one_of_ours_is_named_in_a_warning(topic):
    sent = await topic.send(BODY, {"rauser": b"mary"})
    record = await topic.outcome(record_id(sent.topic, sent.partition, sent.offset, sent.timestamp).key)
    assert dict(record.headers)["warnings"] == b"headers.rauser: is not read; did you mean ra-user?"


async def test_a_structured_cloud_event_is_the_submission_of_its_data(topic, api):
    """As Dapr and Knative write them."""
    own_id = uuid.uuid4().hex
    event = {
        "specversion": "1.0",
        "id": own_id,
        "source": "dapr",
        "type": "com.dapr.event.sent",
        "datacontenttype": "application/json",
        "pubsubname": "kafka",
        "data": json.loads(BODY),
    }
    headers = {"Content-Type": b"application/CloudEvents+json; charset=utf-8"}
    await topic.send(json.dumps(event).encode(), headers)
    identity = SubmissionId("dapr", own_id)
    record = await topic.outcome(identity.key)
    assert json.loads(record.value) == {"name": generated_name(None, identity)}
    binary = {"ce_id": own_id.encode(), "ce_source": b"dapr", "correlation-id": b"binary"}
    await topic.send(BODY, binary)
    assert dict((await topic.outcome(identity.key)).headers)["status"] == b"200"


async def test_a_job_runs_to_complete(topic, api):
    sent = await topic.send(BODY)
    name = generated_name(None, record_id(sent.topic, sent.partition, sent.offset, sent.timestamp))
    async with asyncio.timeout(90):
        while True:
            _, job = await api.request("GET", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{name}")
            conditions = job.get("status", {}).get("conditions", []) if isinstance(job.get("status"), dict) else []
            if any(c["type"] == "Complete" and c["status"] == "True" for c in conditions):
                break
            await asyncio.sleep(0.3)


async def test_two_consumers_share_the_partitions(service, environment, topic, api):
    second = ServiceProcess("consumer", environment)
    try:
        second.until_ready()
        shares = [second.wait_for("partitions-assigned")["partitions"]]
        sent = [await topic.send(BODY, partition=p) for p in range(6) for _ in range(3)]
        keys = {record_id(s.topic, s.partition, s.offset, s.timestamp).key for s in sent}
        async with asyncio.timeout(60):
            async for record in topic.consumer:
                keys.discard(record.key.decode())
                if not keys:
                    break
        assigned = [line["partitions"] for line in service.lines if line["action"] == "partitions-assigned"]
        shares.append(assigned[-1])
        assert sorted(p for share in shares for p in share) == list(range(6))
        assert all(shares)
        assert any(line["action"] == "outcome" for line in second.lines)
    finally:
        assert second.stop() == 0

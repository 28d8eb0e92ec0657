"""The client library against the service on real servers, both ways of it; and what is submitted over Kafka."""

import asyncio
import uuid

import pytest

from job_submission import AsyncClient, Client, Event, KafkaSubmitter, TimedOut
from job_submission.errors import Fault
from job_submission.reasons import IdReused, InvalidParameter, NameTaken, UnknownJob, UnknownProject

LEAST = {"project": "team-a", "image": "quickstart"}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def client(service, api):
    with Client(service.url, user="john") as client:
        yield client


def test_a_job_is_submitted_waited_for_found_and_cancelled(client):
    job = client.submit(**LEAST, name=unique("train"), gpu=1, working_dir="/tmp", environment={"EPOCHS": 2})
    assert job.warnings == ()
    ended = job.wait(timeout=60)
    assert (ended.phase, ended.succeeded, ended.requested_gpus, ended.user) == ("Succeeded", True, 1, "john")
    assert client.job("team-a", job.name).state == ended
    assert [each.name for each in client.jobs(project="team-a", name=job.name)] == [job.name]
    assert job.cancel().model_dump(exclude={"submission"}) == {"project": "team-a", "name": job.name}


async def test_the_asynchronous_client_does_the_same(service, api):
    async with AsyncClient(service.url, user="john") as client:
        job = await client.submit(**LEAST, name=unique("train"))
        assert (await job.status()).name == job.name
        assert [each.name async for each in client.jobs(name=job.name)] == [job.name]
        await job.cancel()


async def test_a_job_has_what_was_asked_for_in_pythons_spelling(client, api):
    claims = [{"size": "1Gi", "path": "/data", "read_only": True}]
    job = client.submit(**LEAST, labels={"my_team": "a"}, create_home_dir=True, pvc=claims, ports=[{"container": 80}])
    stored = await api.job(job.name)
    assert stored["metadata"]["labels"]["my_team"] == "a"
    container = stored["spec"]["template"]["spec"]["containers"][0]
    assert {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]} == {
        "/data": True,
        "/home/runai-home": False,
    }


def test_a_key_makes_one_job_however_often_it_is_sent(client):
    key = uuid.uuid4().hex
    names = {client.submit(**LEAST, idempotency_key=key).name for _ in range(3)}
    assert len(names) == 1
    with pytest.raises(IdReused):
        client.submit(**LEAST, gpu=1, idempotency_key=key)


def test_a_faulty_request_names_all_faults_at_once(client):
    with pytest.raises(InvalidParameter) as refused:
        client.submit(**LEAST, gpu=-1, imagee="x")  # type: ignore[call-arg]
    assert refused.value.faults == (
        Fault("job.gpu", "must be a number of GPUs from 0 to 1000000"),
        Fault("job.imagee", "is not a parameter; did you mean image?"),
    )
    assert (refused.value.status, refused.value.reason) == (400, "InvalidParameter")


def test_each_reason_is_an_exception_of_its_own(client):
    name = client.submit(**LEAST, name=unique("train")).name
    with pytest.raises(NameTaken):
        client.submit(**LEAST, name=name)
    with pytest.raises(UnknownProject):
        client.submit(project="nowhere", image="quickstart")
    with pytest.raises(UnknownJob):
        client.job("team-a", "nobody")
    with pytest.raises(UnknownJob):
        client.cancel("team-a", "nobody")


def test_a_dry_run_tells_what_would_be_and_makes_nothing(client):
    tried = client.submit(**LEAST, name=unique("train"), dry_run=True, elastic=True)
    assert [each["kind"] for each in tried.objects] == ["Job"]
    assert tried.warnings == ("job.elastic has no effect under the scheduler profile kubernetes",)
    assert list(client.jobs(project="team-a", name=tried.name)) == []


def test_a_list_goes_on_over_its_pages(client):
    prefix = unique("page")
    jobs = [client.submit(**LEAST, name=f"{prefix}-{number}") for number in range(5)]
    told = {job.name: job.status().id for job in jobs}  # waits until it is known to readers
    listed = [(job.name, job.state.id) for job in client.jobs(page_size=2, name=prefix, project=["team-a", "team-b"])]
    assert sorted(listed) == sorted(told.items())


def test_events_begin_behind_a_position(client):
    position = client.position()
    job = client.submit(**LEAST, name=unique("train"))
    seen: list[Event] = []
    for event in client.events(after=position, name=job.name):
        seen.append(event)
        if len(seen) == 2:
            break
    assert (seen[0].type, seen[0].job.name) == ("created", job.name)
    assert seen[0].id != seen[1].id
    assert next(client.events(after=seen[0].position, name=job.name)) == seen[1]


def test_projects_are_told(client):
    client.submit(**LEAST).status()
    assert "runai-team-a" in {each.managed_namespace for each in client.projects()}


def test_what_takes_too_long_is_told_with_the_id_and_can_be_cancelled_by_it(client):
    with pytest.raises(TimedOut) as late:
        client.submit(**LEAST, timeout=0)
    assert client.cancel_submission(late.value.submission).submission == late.value.submission


@pytest.fixture
async def submitter(service, environment, api):
    topics = {"submissions": environment["TOPICS_SUBMISSIONS"], "outcomes": environment["TOPICS_OUTCOMES"]}
    source = f"/tests/{uuid.uuid4().hex}"
    servers = environment["KAFKA_BOOTSTRAP_SERVERS"]
    async with KafkaSubmitter(servers, source=source, user="john", **topics) as submitter:
        yield submitter


async def test_a_record_has_the_key_of_its_identity_and_finds_its_outcome(submitter, api):
    names = await asyncio.gather(*(submitter.submit(**LEAST, idempotency_key=str(n % 2)) for n in range(8)))
    assert len({each.name for each in names}) == 2
    job = await api.job(names[0].name)
    assert job["metadata"]["annotations"]["job-submission.io/user"] == "john"
    assert job["metadata"]["labels"]["job-submission.io/submission"] == names[0].submission
    await submitter.cancel(submission=names[0].submission)
    status, _ = await api.request("GET", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{names[0].name}")
    assert status == 404


async def test_over_kafka_a_refusal_has_all_faults_and_a_dry_run_its_objects(submitter):
    with pytest.raises(InvalidParameter) as refused:
        await submitter.submit(project="team-a", image="Not An Image", gpu=-1)
    assert [fault.path for fault in refused.value.faults] == ["job.image", "job.gpu"]
    tried = await submitter.submit(**LEAST, dry_run=True, elastic=True)
    assert [each["kind"] for each in tried.objects] == ["Job"]
    assert tried.warnings == ("job.elastic has no effect under the scheduler profile kubernetes",)


async def test_an_outcome_that_does_not_come_in_time_is_told_with_the_id(submitter):
    with pytest.raises(TimedOut) as late:
        await submitter.submit(**LEAST, timeout=0)
    await submitter.cancel(submission=late.value.submission)

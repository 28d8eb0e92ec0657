"""`GET /api/v1/jobs` and one job, over the wire."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from service.auth.principal import Principal
from service.broker.partitioning import partition_for
from service.submission.job_events import EventKind, Phase
from service.submission.records import NewRecord
from tests.unit.job_events import TOPIC, job_event, key
from tests.unit.running_ingress import PARTITIONS, running

WAITING = {
    "reason": "NotEnoughGpu",
    "class": "capacity",
    "sentence": "asks 8 GPUs, the largest free node has 4",
    "next": "wait for other jobs to end",
    "since": 5,
    "stage": "schedule",
    "evidence": ["0/3 nodes are available"],
}
PENDING = job_event(
    1, phase=Phase.PENDING, status="Pending", waiting=WAITING, images=("busybox", "sidecar"), requested_gpus=8
)
RUNNING = job_event(2, user=None, project="team-b", nodes=("n1", "n2"), created_at=2000, allocated_gpus=0.5)
GONE = job_event(3, kind=EventKind.DELETED, phase=Phase.DELETED, status="Deleted", deleted_at=9, created_at=3000)


def names(body: Any) -> list[str]:
    return [job["name"] for job in body["data"]]


async def test_a_job_is_told_whole_with_the_fields_of_the_old_api_over_those_of_its_events():
    async with running() as ingress:
        await ingress.tell(PENDING)
        answer = await ingress.get("/api/v1/jobs/team-a/job-1")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body == json.loads(PENDING.state.value()) | {
        "images": "busybox,sidecar",
        "currentAllocatedGPUs": 0.0,
    }
    assert answer.body["waiting"] == WAITING


async def test_a_list_has_the_same_objects_newest_first_and_without_deleted_ones():
    async with running() as ingress:
        await ingress.tell(PENDING, RUNNING, GONE)
        listed = await ingress.get("/api/v1/jobs")
        one = await ingress.get("/api/v1/jobs/team-b/job-2")
        assert names(listed.body) == ["job-2", "job-1"]
        assert (listed.body["data"][0], listed.body["next"]) == (one.body, None)
        assert (one.body["user"], one.body["nodes"], one.body["currentAllocatedGPUs"]) == ("", ["n1", "n2"], 0.5)
        assert listed.headers["Last-Event-ID"] == str(ingress.jobs.recent.position)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("project=team-b", ["job-2"]),
        ("project=team-b&project=team-a", ["job-2", "job-1"]),
        ("project=nowhere", []),
        ("user=john", ["job-1"]),
        ("status=pending", ["job-1"]),
        ("phase=Running", ["job-2"]),
        ("type=interactive", []),
        ("reason=NotEnoughGpu", ["job-1"]),
        ("name=b-2", ["job-2"]),
        ("since=2000", ["job-2"]),
        ("until=1970-01-01T00:00:02Z", ["job-1"]),
        ("deleted=true", ["job-3"]),
        ("deleted=any", ["job-3", "job-2", "job-1"]),
        ("limit=1", ["job-2"]),
    ],
)
async def test_filters(query: str, found: list[str]):
    async with running() as ingress:
        await ingress.tell(PENDING, RUNNING, GONE)
        answer = await ingress.get(f"/api/v1/jobs?{query}")
        assert (answer.status, names(answer.body)) == (200, found)


async def test_pages_go_on_where_the_one_before_ended_while_jobs_come_and_go():
    async with running() as ingress:
        await ingress.tell(*(job_event(number) for number in range(10)))
        first = (await ingress.get("/api/v1/jobs?limit=4")).body
        await ingress.tell(job_event(20), job_event(0, 2, status="Succeeded"))
        await ingress.write(NewRecord(TOPIC, partition_for(key(9).encode(), PARTITIONS), key(9).encode(), None, ()))
        second = (await ingress.get(f"/api/v1/jobs?limit=4&cursor={first['next']}")).body
        third = (await ingress.get(f"/api/v1/jobs?limit=4&cursor={second['next']}")).body
    assert [len(page["data"]) for page in (first, second, third)] == [4, 4, 2]
    assert third["next"] is None
    found = sorted(names(first) + names(second) + names(third))
    assert found == [f"job-{number}" for number in range(10)]  # job-9 was in the first page already


async def test_the_last_page_is_told_even_where_it_is_full():
    async with running() as ingress:
        await ingress.tell(job_event(1), job_event(2))
        answer = await ingress.get("/api/v1/jobs?limit=2")
    assert (len(answer.body["data"]), answer.body["next"]) == (2, None)


async def test_a_faulty_query_names_its_faults():
    async with running() as ingress:
        answer = await ingress.get("/api/v1/jobs?projekt=team-a&limit=many")
    assert (answer.status, answer.body["reason"]) == (400, "InvalidParameter")
    assert [fault["path"] for fault in answer.body["details"]] == ["projekt", "limit"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("team-a/jop-1", "the project team-a has no job jop-1 that this service made; did you mean job-1?"),
        ("team-a/zzz", "the project team-a has no job zzz that this service made"),
        ("team-c/job-1", "the project team-c has no job job-1 that this service made"),
        ("team-a/" + "x" * 300, f"the project team-a has no job {'x' * 100} that this service made"),
        ("team-a/%0d%0aforged", "the project team-a has no job \\r\\nforged that this service made"),
    ],
)
async def test_an_unknown_job_is_told_with_its_neighbours(path: str, message: str):
    async with running() as ingress:
        await ingress.tell(PENDING)
        answer = await ingress.get(f"/api/v1/jobs/{path}")
    assert (answer.status, answer.body["reason"], answer.body["message"]) == (404, "UnknownJob", message)


async def test_the_newest_of_a_name_is_told():
    async with running() as ingress:
        await ingress.tell(job_event(1, name="train"), job_event(9, name="train", user="jill"))
        assert (await ingress.get("/api/v1/jobs/team-a/train")).body["user"] == "jill"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/jobs", "/api/v1/jobs/team-a/job-1", "/api/v1/jobs/events", "/api/job", "/api/v1/job/team-a",
     "/api/v1/job/team-a/job-1", "/api/v1/projects"],
)  # fmt: skip
async def test_while_the_jobs_are_being_read_nobody_is_told_that_one_is_not_there(path: str):
    async with running() as ingress:
        await ingress.tell(PENDING)
        ingress.jobs._events = SimpleNamespace(caught_up=False, trouble="there is no topic job-events")
        answer = await ingress.get(path)
    assert (answer.status, answer.headers["Retry-After"], answer.body) == (
        503,
        "5",
        {
            "status": 503,
            "code": 503,
            "reason": "JobsNotLoaded",
            "message": "the jobs cannot be told yet: try again later",
            "details": "there is no topic job-events",
        },
    )


class OfTeamA:
    """Knows every token as that of a user of one project."""

    async def verify(self, token: str) -> Principal:
        return Principal(token, projects=("team-a",))


async def test_nobody_sees_the_jobs_of_projects_that_are_not_theirs():
    mine = "Authorization: Bearer jane"
    async with running(OfTeamA()) as ingress:
        await ingress.tell(PENDING, RUNNING)
        listed = [await ingress.get(path, mine) for path in ("/api/v1/jobs", "/api/job", "/api/v1/jobs?project=team-b")]
        assert [names(answer.body) for answer in listed] == [["job-1"], ["job-1"], []]
        assert names((await ingress.get("/api/v1/job/team-b", mine)).body) == []
        projects = await ingress.get("/api/v1/projects", mine)
        assert [project["name"] for project in projects.body["data"]] == ["team-a"]
        for path in ("/api/v1/jobs/team-b/job-2", "/api/v1/job/team-b/job-2"):
            refused = await ingress.get(path, mine)
            assert (refused.status, refused.body["message"]) == (
                403,
                "user jane is not allowed to see jobs of project team-b",
            )

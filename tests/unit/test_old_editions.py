"""The old API's editions: each route of each, sent over the wire as its clients do, with the whole reply it expects."""

from typing import Any

import pytest

from service.api import job_query, old_jobs
from service.submission.job_events import Phase
from tests.unit.job_events import job_event
from tests.unit.running_ingress import BODY, running

TRAINING = job_event(
    1,
    images=("busybox",),
    nodes=("node-1", "node-2"),
    allocated_gpus=2,
    requested_gpus=2,
)
SESSION = job_event(
    9,
    project="team-b",
    user=None,
    type="Interactive",
    status="ImagePullBackOff",
    phase=Phase.PENDING,
    images=("jupyter", "proxy"),
    created_at=2000,
)
GONE = job_event(3, phase=Phase.DELETED, status="Deleted", deleted_at=5)

TRAINING_VIEW = {
    "id": "uid-1",
    "project": "team-a",
    "name": "job-1",
    "status": "Running",
    "type": "Train",
    "nodes": ["node-1", "node-2"],
    "createdAt": 1000,
    "images": "busybox",
    "user": "john",
    "currentAllocatedGPUs": 2.0,
}
SESSION_VIEW = {
    "id": "uid-9",
    "project": "team-b",
    "name": "job-9",
    "status": "ImagePullBackOff",
    "type": "Interactive",
    "nodes": [],
    "createdAt": 2000,
    "images": "jupyter,proxy",
    "user": "",
    "currentAllocatedGPUs": 0.0,
}
EARLIEST_TRAINING = TRAINING_VIEW | {"nodes": "node-1,node-2"}
EARLIEST_SESSION = SESSION_VIEW | {"nodes": ""}

PROJECT = {
    "deservedGpus": 0,
    "interactiveJobTimeLimitSecs": 0,
    "trainNodeAffinity": [],
    "interactiveNodeAffinity": [],
    "departmentName": "default",
}
PROJECTS = [
    PROJECT | {"name": "team-a", "createdAt": 1000, "managedNamespace": "runai-team-a"},
    PROJECT | {"name": "team-b", "createdAt": 2000, "managedNamespace": "runai-team-b"},
]

REPLIES = [
    ("earliest document", "/api/job?project=team-a", [EARLIEST_TRAINING]),
    ("earliest document", "/api/job?project=nowhere", []),
    ("earliest document", "/api/job", [EARLIEST_SESSION, EARLIEST_TRAINING]),
    ("swagger", "/api/v1/job/team-a", [TRAINING_VIEW]),
    ("swagger", "/api/v1/job/team-a?jobTypeFilter=training", [TRAINING_VIEW]),
    ("swagger", "/api/v1/job/team-b?jobTypeFilter=training", []),
    ("swagger", "/api/v1/job/team-b?jobTypeFilter=interactive", [SESSION_VIEW]),
    ("swagger", "/api/v1/job/team-b?jobTypeFilter=inference", []),
    ("swagger", "/api/v1/job/team-a/job-1", [TRAINING_VIEW]),
    ("later document", "/api/v1/projects", PROJECTS),
    ("older client", "/api/v1/projects?includeDeleted=true", PROJECTS),
    ("Go client", "/api/v1/version", {"version": "0.1.11", "major": 0, "minor": 1, "subver": 11}),
]

GO_CLIENT = ("Content-Type: application/json; charset=utf-8", "Accept: application/json; charset=utf-8")
"""What the vendor's published client sends with every request."""


@pytest.mark.parametrize("prefix", ["", "/researcher"])
@pytest.mark.parametrize(("edition", "path", "data"), REPLIES, ids=[f"{row[0]} {row[1]}" for row in REPLIES])
async def test_an_edition_gets_the_reply_it_knows(edition: str, path: str, data: Any, prefix: str):
    async with running() as ingress:
        await ingress.tell(TRAINING, SESSION, GONE)
        answer = await ingress.get(prefix + path, *GO_CLIENT)
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "application/json", {"data": data})


@pytest.mark.parametrize("prefix", ["", "/researcher"])
@pytest.mark.parametrize(
    ("path", "views"),
    [
        ("/api/v1/jobs?project=team-a", [TRAINING_VIEW]),
        ("/api/v1/jobs", [SESSION_VIEW, TRAINING_VIEW]),
        ("/api/v1/jobs?project=nowhere", []),
    ],
)
async def test_the_later_documents_list_is_ours_and_every_field_of_a_view_is_as_there(
    path: str, views: list[dict[str, Any]], prefix: str
):
    async with running() as ingress:
        await ingress.tell(TRAINING, SESSION, GONE)
        body = (await ingress.get(prefix + path, *GO_CLIENT)).body
    assert [{field: job[field] for field in TRAINING_VIEW} for job in body["data"]] == views
    assert body.keys() == {"data", "next"}


@pytest.mark.parametrize("path", ["/api/job", "/api/v1/job", "/api/v1/jobs", "/researcher/api/v1/jobs"])
async def test_every_spelling_takes_submissions_of_the_published_client(path: str):
    async with running(wait_seconds=0.01) as ingress:
        head = [f"POST {path} HTTP/1.1", "Host: x", "RA-USER: john", *GO_CLIENT, f"Content-Length: {len(BODY)}", "", ""]
        answer = await ingress.raw("\r\n".join(head).encode() + BODY)
        assert (answer.status, len(ingress.topic.produced)) == (202, 1)


@pytest.mark.parametrize("path", ["/api/v1/job/team-a/jop-1", "/researcher/api/v1/job/team-a/jop-1"])
async def test_an_unknown_job_is_told_in_the_shape_of_errors(path: str):
    async with running() as ingress:
        await ingress.tell(TRAINING)
        answer = await ingress.get(path, *GO_CLIENT)
    assert (answer.status, answer.body["status"], answer.body["code"]) == (404, 404, 404)
    assert answer.body["message"].endswith("did you mean job-1?")


async def test_a_list_that_is_too_long_for_one_reply_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(old_jobs, "MOST", 1)
    async with running() as ingress:
        await ingress.tell(TRAINING, SESSION)
        answer = await ingress.get("/api/job")
        assert (len(answer.body["data"]), answer.headers["Warning"]) == (
            1,
            '299 - "these are the newest 1; GET /api/v1/jobs has pages"',
        )
        assert "Warning" not in (await ingress.get("/api/job?project=team-a")).headers
    assert job_query.MOST == 1000


@pytest.mark.parametrize(
    "path", ["/api/job?projekt=x", "/api/v1/job/team-a?jobTypeFilter=batch", "/api/v1/projects?deleted=1"]
)
async def test_what_an_edition_never_had_is_named(path: str):
    async with running() as ingress:
        assert (await ingress.get(path)).status == 400


async def test_the_version_is_told_before_anybody_has_logged_in():
    async with running() as ingress:
        answer = await ingress.raw(b"GET /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200

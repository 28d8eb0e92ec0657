"""DELETE in every spelling: which cancel it puts on the topic, who may, and what is answered."""

import asyncio
import json
from typing import Any

import pytest

from service.api import cancel, submit
from service.auth.principal import Principal
from service.http_ingress import OLD_PREFIX
from service.submission import rejections
from service.submission.cancels import Cancel, lookup_id, read_cancel, read_job_name, request_fingerprint
from service.submission.identity import SubmissionId, http_submission_id
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord, Record, Submission, read_submission
from tests.unit.running_ingress import Response, RunningIngress, running

KEY = SubmissionId("/tests", "one").key
TRAIN = {"project": "team-a", "name": "train"}


class Verified:
    """Knows everybody by the name in their token, and lets them into team-a."""

    async def verify(self, token: str) -> Principal:
        return Principal(token, projects=("team-a",))


async def delete(ingress: RunningIngress, path: str, body: Any = None, *lines: str) -> Response:
    octets = b"" if body is None else json.dumps(body).encode()
    head = [f"DELETE {path} HTTP/1.1", "Host: x", "RA-USER: john", *lines]
    if body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(octets)}"]
    return await ingress.raw("\r\n".join([*head, "", ""]).encode() + octets)


def read(written: NewRecord) -> Submission:
    return read_submission(Record("t", 0, 0, 0, written.key, written.value, written.headers))


async def answering(ingress: RunningIngress, answers: dict[str, Any], count: int) -> list[Submission]:
    """Answer so many cancels with the body, or the rejection, of the job that each names."""
    seen = []
    for _ in range(count):
        sent = read(await ingress.topic.next())
        seen.append(sent)
        outcome = Outcome.of(sent, request_fingerprint(sent), answers[read_cancel(sent.body).name or ""])
        ingress.topic.publish(outcome_record(outcome, "out", 0, 0.0))
    return seen


@pytest.mark.parametrize("prefix", ["", OLD_PREFIX])
@pytest.mark.parametrize("path", cancel.LISTS)
@pytest.mark.parametrize("body", [TRAIN, [TRAIN]])
async def test_every_edition_deletes_a_job(prefix: str, path: str, body: Any) -> None:
    async with running() as ingress:
        answered = asyncio.create_task(delete(ingress, prefix + path, body))
        (sent,) = await answering(ingress, {"train": {"submission": KEY, **TRAIN}}, 1)
        response = await answered
    assert (response.status, response.body) == (200, {"data": [{"name": "train", "ok": True}]})
    assert (sent.is_cancel, sent.user, json.loads(sent.body)) == (True, "john", {"cancel": TRAIN})


async def test_a_list_is_answered_item_by_item() -> None:
    unknown = rejections.unknown_job("team-a", "eval")
    async with running() as ingress:
        body = [TRAIN, {"project": "team-a", "name": "eval"}, {"project": "team-a", "name": "other"}]
        answered = asyncio.create_task(delete(ingress, "/api/job", body))
        answers = {"train": {"submission": KEY}, "eval": unknown, "other": {"submission": KEY}}
        await answering(ingress, answers, 3)
        response = await answered
    assert (response.status, response.body) == (
        200,
        {
            "data": [
                {"name": "train", "ok": True},
                {"name": "eval", "ok": False, "error": unknown.body()},
                {"name": "other", "ok": True},
            ]
        },
    )


async def test_an_item_without_an_outcome_in_time_is_neither_done_nor_lost() -> None:
    async with running() as ingress:
        response = await delete(ingress, "/api/job", [TRAIN], "Prefer: respond-async")
        sent = read(await ingress.topic.next())
    assert response.status == 202
    (item,) = response.body["data"]
    assert (item["ok"], item["error"]["status"]) == (False, 202)
    assert item["error"]["details"] == f"/api/submissions/{sent.id.key}"


@pytest.mark.parametrize("path", ["/api/v1/jobs/team-a/train", f"{OLD_PREFIX}/api/v1/jobs/team-a/train"])
async def test_a_job_by_its_path(path: str) -> None:
    async with running() as ingress:
        answered = asyncio.create_task(delete(ingress, path))
        written = await ingress.topic.next()
        sent = read(written)
        done = Outcome.of(sent, request_fingerprint(sent), {"submission": KEY, **TRAIN})
        ingress.topic.publish(outcome_record(done, "out", 0, 0.0))
        response = await answered
    assert (response.status, response.body) == (200, {"submission": KEY, **TRAIN})
    assert written.partition is None
    assert written.key == lookup_id(read_job_name(TRAIN)).key.encode()


async def test_a_refusal_is_the_answer() -> None:
    async with running() as ingress:
        answered = asyncio.create_task(delete(ingress, "/api/v1/jobs/team-a/train"))
        await answering(ingress, {"train": rejections.unknown_job("team-a", "train")}, 1)
        assert (await answered).status == 404


async def test_by_id_also_what_nobody_has_seen() -> None:
    async with running() as ingress:
        response = await delete(ingress, f"/api/submissions/{KEY}", None, "Prefer: respond-async")
        written = await ingress.topic.next()
    sent = read(written)
    assert (response.status, response.body["id"]) == (202, sent.id.key)
    assert response.headers["Location"] == f"/api/submissions/{sent.id.key}"
    assert (written.key, written.partition) == (KEY.encode(), None)
    assert read_cancel(sent.body) == Cancel(submission=KEY)


def past_outcome(project: str | None, source: str = "/tests") -> Outcome:
    return Outcome(SubmissionId(source, "one"), 200, {"name": "train"}, "0" * 64, user="mary", project=project)


async def with_past(ingress: RunningIngress, outcome: Outcome) -> None:
    """Have an outcome of the past in the second partition."""
    ingress.topic.past = [[], [outcome_record(outcome, "out", 1, 0.0)]]
    await ingress.window.load(1)


async def test_a_cancel_goes_to_the_partition_where_the_outcome_is() -> None:
    async with running() as ingress:
        await with_past(ingress, past_outcome("team-a"))
        await delete(ingress, f"/api/submissions/{KEY}", None, "Prefer: respond-async")
        assert (await ingress.topic.next()).partition == 1


@pytest.mark.parametrize(
    ("outcome", "waiting", "status"),
    [
        (past_outcome("team-a"), {}, 202),
        (past_outcome("team-b"), {}, 404),
        (past_outcome(None), {}, 404),
        (None, {KEY: "team-a"}, 202),
        (None, {KEY: "team-b"}, 404),
        (None, {}, 404),
    ],
)
async def test_a_verified_user_cancels_in_their_projects_and_nothing_that_nobody_has_seen(
    outcome: Outcome | None, waiting: dict[str, str], status: int
) -> None:
    async with running(Verified()) as ingress:
        if outcome is not None:
            await with_past(ingress, outcome)
        ingress.topic.waiting = waiting
        lines = ("Prefer: respond-async", "Authorization: Bearer john")
        assert (await delete(ingress, f"/api/submissions/{KEY}", None, *lines)).status == status
        assert len(ingress.topic.produced) == (status == 202)


async def test_the_project_of_a_post_is_known_by_its_source() -> None:
    identity = http_submission_id("mary", "team-a", "k")
    outcome = past_outcome(None, identity.source)
    async with running(Verified()) as ingress:
        await with_past(ingress, outcome)
        lines = ("Prefer: respond-async", "Authorization: Bearer john")
        assert (await delete(ingress, f"/api/submissions/{outcome.key}", None, *lines)).status == 202


async def test_other_projects_are_refused_item_by_item_and_by_path() -> None:
    async with running(Verified()) as ingress:
        other = {"project": "team-b", "name": "train"}
        listed = await delete(ingress, "/api/job", [other], "Authorization: Bearer john")
        named = await delete(ingress, "/api/v1/jobs/team-b/train", None, "Authorization: Bearer john")
        assert ingress.topic.produced == []
    assert (listed.status, listed.body["data"][0]["error"]["reason"]) == (200, "Forbidden")
    assert (named.status, named.body["message"]) == (403, "user john is not allowed to delete jobs of project team-b")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/job", None, 400),
        ("/api/job", [], 400),
        ("/api/job", [{"name": "train"}], 400),
        ("/api/v1/jobs/team-a/Train", None, 400),
        ("/api/submissions/nothing", None, 404),
    ],
)
async def test_what_names_nothing_is_refused(path: str, body: Any, status: int) -> None:
    async with running() as ingress:
        assert (await delete(ingress, path, body)).status == status
        assert ingress.topic.produced == []


async def test_a_delete_without_a_user_is_refused() -> None:
    async with running() as ingress:
        assert (await ingress.raw(b"DELETE /api/job HTTP/1.1\r\nHost: x\r\n\r\n")).status == 401


async def test_the_same_key_for_another_target_is_another_cancel() -> None:
    async with running() as ingress:
        lines = ("Prefer: respond-async", "Idempotency-Key: k")
        paths = ("/api/v1/jobs/team-a/train", "/api/v1/jobs/team-a/eval", "/api/v1/jobs/team-a/train")
        ids = [(await delete(ingress, path, None, *lines)).body["id"] for path in paths]
    assert ids[0] == ids[2] != ids[1]


async def test_a_dry_run_is_a_submission_with_a_mark() -> None:
    async with running() as ingress:
        for query, is_dry in (("?dryRun=true", True), ("?dryRun=false", False), ("", False)):
            body = b'{"job": {"project": "team-a", "image": "i"}}'
            head = [f"POST {submit.PATHS[0]}{query} HTTP/1.1", "Host: x", "RA-USER: john", "Prefer: respond-async"]
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
            assert (await ingress.raw("\r\n".join(head).encode() + body)).status == 202
            assert read(await ingress.topic.next()).is_dry_run == is_dry


@pytest.mark.parametrize("query", ["dryRun=yes", "dryRun", "dryRun=true&dryRun=false", "dryRun=True"])
async def test_a_dry_run_that_is_spelled_wrong_is_refused(query: str) -> None:
    async with running() as ingress:
        body = b'{"job": {"project": "team-a", "image": "i"}}'
        head = [f"POST /api/job?{query} HTTP/1.1", "Host: x", "RA-USER: john", "Content-Type: application/json"]
        response = await ingress.raw("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        assert (response.status, response.body["details"][0]["path"]) == (400, "dryRun")
        assert ingress.topic.produced == []

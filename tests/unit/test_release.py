"""The release of a Job that is held until its outcome is acknowledged."""

from typing import Any

import pytest

from service.kube import ApiError
from service.kube.decisions import ApiAnswer
from service.manifests.labels import HOLD_FINALIZER
from service.submission.records import Submission
from tests.unit.fake_api import FakeApi
from tests.unit.submitting import NAMESPACE, ONE, PLAIN, TWO, Caller, submission


async def test_a_held_job_is_released_once_and_again() -> None:
    api, sent = FakeApi(), submission({**PLAIN, "ttlAfterFinish": "5s"})
    caller = Caller(api)
    outcome = await caller.submit(sent)
    metadata = api.objects["jobs", NAMESPACE, "train"]["metadata"]
    assert metadata["finalizers"] == [HOLD_FINALIZER]
    metadata["finalizers"].append("example.com/other")
    await caller.release(sent, outcome)
    assert metadata["finalizers"] == ["example.com/other"]
    calls = len(api.calls)
    await caller.release(sent, outcome)
    assert api.calls[calls:] == ["read jobs/train"]


async def test_a_release_through_faults() -> None:
    api, sent = FakeApi(), submission({**PLAIN, "ttlAfterFinish": "5s"})
    outcome = await Caller(api).submit(sent)
    api.faults = ["503", "ok", "lost-answer", "refused", "429"]
    await Caller(api).release(sent, outcome)
    assert api.objects["jobs", NAMESPACE, "train"]["metadata"]["finalizers"] == []


async def test_a_job_of_another_submission_is_not_released() -> None:
    api = FakeApi()
    held = {**PLAIN, "ttlAfterFinish": "5s"}
    outcome = await Caller(api).submit(submission(held))
    api.objects.clear()
    await Caller(api).submit(submission(held, TWO))
    await Caller(api).release(submission(held), outcome)
    assert api.objects["jobs", NAMESPACE, "train"]["metadata"]["finalizers"] == [HOLD_FINALIZER]


@pytest.mark.parametrize(
    "job",
    [PLAIN, {**PLAIN, "ttlAfterFinish": "2h"}, {**PLAIN, "image": "ttlAfterFinish"}],
)
async def test_a_job_that_was_never_held_costs_no_request(job: dict[str, Any]) -> None:
    api, sent = FakeApi(), submission(job)
    outcome = await Caller(api).submit(sent)
    api.calls.clear()
    await Caller(api).release(sent, outcome)
    assert api.calls == []


async def test_an_escaped_spelling_of_the_ttl_is_released_too() -> None:
    api = FakeApi()
    body = b'{"job": {"name": "train", "project": "team-a", "image": "i", "\\u0074tlAfterFinish": 5}}'
    sent = Submission(id=ONE, has_own_id=True, body=body, received=0.0)
    await Caller(api).release(sent, await Caller(api).submit(sent))
    assert api.objects["jobs", NAMESPACE, "train"]["metadata"]["finalizers"] == []


async def test_rejections_and_vanished_jobs_have_nothing_to_release() -> None:
    api, held = FakeApi(), submission({**PLAIN, "ttlAfterFinish": "5s"})
    outcome = await Caller(api).submit(held)
    api.objects.clear()
    await Caller(api).release(held, outcome)
    rejected = await Caller(api).submit(submission({"ttlAfterFinish": "5s"}))
    await Caller(api).release(submission({"ttlAfterFinish": "5s"}), rejected)
    assert api.calls == ["create jobs/train", "read jobs/train"]


async def test_a_refused_release_does_not_undo_the_outcome() -> None:
    api, sent = FakeApi(), submission({**PLAIN, "ttlAfterFinish": "5s"})
    outcome = await Caller(api).submit(sent)

    async def patch(*_: Any) -> None:
        raise ApiError(ApiAnswer(403, "Forbidden", "cannot patch resource jobs"))

    api.patch = patch  # type: ignore[method-assign]
    await Caller(api).release(sent, outcome)
    assert api.names() == ["jobs/train"]

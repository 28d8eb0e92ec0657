"""The Job of a cancelled submission is deleted, no other is, and none comes into being afterwards."""

import asyncio
from typing import Any

import pytest

from service.cluster.job_deletion import JobOwner, delete_jobs, owner_of
from service.errors import GivesWay
from service.kube import ApiError, ApiUnreachable
from service.kube.decisions import ApiAnswer
from service.kube.errors import Reason
from service.manifests.labels import HOLD_FINALIZER
from service.submission.cancels import JobName
from service.submission.identity import generated_name
from service.submission.rejection import SubmissionRejected
from tests.unit.fake_api import FakeApi, exists
from tests.unit.submitting import NAMESPACE, ONE, PLAIN, RICH, TWO, Caller, submission

LONG_AGO = float("-inf")
TRAIN = JobName(project="team-a", name="train")
DENIED = ApiAnswer(403, "Forbidden", 'User "system:x" cannot get resource "jobs" in API group "batch"')


async def delete(caller: Caller, key: str = ONE.key, *names: str, since: float = LONG_AGO) -> None:
    found = names or ("train",)
    await delete_jobs(caller.cluster, NAMESPACE, found, key, confirm=caller.confirm, sleep=asyncio.sleep, since=since)


async def test_a_job_goes_with_all_that_it_owns() -> None:
    api = FakeApi()
    caller = Caller(api)
    await caller.submit(submission({**RICH, "ttlAfterFinish": "5s"}))
    api.calls.clear()
    caller.confirmed = 0
    await delete(caller)
    assert api.names() == []
    assert api.calls == ["read jobs/train", "patch jobs/train", "delete jobs/train"]
    assert caller.confirmed == 2


async def test_deleting_again_asks_and_deletes_nothing() -> None:
    api = FakeApi()
    await Caller(api).submit(submission(PLAIN))
    for _ in range(10):
        await delete(Caller(api))
    assert [call for call in api.calls if call.startswith("delete")] == ["delete jobs/train"]


async def test_a_job_that_others_hold_is_not_deleted_again() -> None:
    api = FakeApi()
    await Caller(api).submit(submission(PLAIN))
    api.objects["jobs", NAMESPACE, "train"]["metadata"]["finalizers"] = ["somebody/else"]
    for _ in range(3):
        await delete(Caller(api))
    assert api.names() == ["jobs/train"]
    assert [call for call in api.calls if call.startswith("delete")] == ["delete jobs/train"]


@pytest.mark.parametrize("annotations", [None, {}, {"job-submission.io/submission-id": TWO.key}])
async def test_nobody_elses_job_is_deleted(annotations: dict[str, str] | None) -> None:
    api = FakeApi()
    api.put("jobs", NAMESPACE, {"metadata": {"name": "train", "annotations": annotations}})
    await delete(Caller(api))
    assert (api.names(), api.calls) == (["jobs/train"], ["read jobs/train"])


async def test_a_job_with_a_later_name_of_the_sequence_is_found() -> None:
    api = FakeApi()
    taken, own = (generated_name(None, ONE, attempt) for attempt in range(2))
    api.put("jobs", NAMESPACE, {"metadata": {"name": taken}})
    sent = submission({"project": "team-a", "image": "i"})
    assert (await Caller(api).submit(sent)).name == own
    caller = Caller(api)
    outcome = await caller.submitter.withdraw(sent, confirm=caller.confirm, sleep=caller.sleep, since=LONG_AGO)
    assert (outcome.status, outcome.body["reason"], outcome.project) == (409, "Cancelled", "team-a")
    assert api.names() == [f"jobs/{taken}"]


class LateApi(FakeApi):
    """Gives no answer to the first create, and carries it out some time later."""

    def __init__(self, after: float, error: Exception) -> None:
        super().__init__()
        self.after, self.error = after, error

    async def create(self, resource: str, namespace: str, body: dict[str, Any], *more: Any, **options: Any) -> Any:
        if self.after:
            asyncio.get_running_loop().call_later(self.after, self.land, namespace, body)
            self.after = 0
            raise self.error
        return await super().create(resource, namespace, body, *more, **options)

    def land(self, namespace: str, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        if ("jobs", namespace, name) in self.objects:
            raise exists("jobs", name)
        self.put("jobs", namespace, body)


@pytest.mark.parametrize(
    "error",
    [
        ApiUnreachable(Reason.TIMEOUT),
        ApiUnreachable(Reason.DISCONNECT),
        ApiError(ApiAnswer(504, "Timeout", "the request did not complete within 9s")),
        ApiError(ApiAnswer(500, "InternalError", "etcdserver: request timed out")),
    ],
)
async def test_a_create_without_an_answer_is_waited_for(error: Exception) -> None:
    """Else it would bring a Job about after the cancel was answered."""
    api = LateApi(0.05, error)
    caller = Caller(api, request_timeout_seconds=0.2)
    sent = submission(PLAIN)

    async def give_way(_seconds: float) -> None:
        raise GivesWay

    with pytest.raises(GivesWay):
        await caller.submitter.submit(sent, confirm=caller.confirm, sleep=give_way)
    await caller.submitter.withdraw(sent, confirm=caller.confirm, sleep=asyncio.sleep, since=LONG_AGO)
    assert api.jobs_ever == ["train"]
    assert api.names() == []


async def test_a_create_of_an_earlier_holder_of_the_partition_is_waited_for() -> None:
    api = FakeApi()
    caller = Caller(api, request_timeout_seconds=0.2)
    loop = asyncio.get_running_loop()
    other = FakeApi()
    await Caller(other).submit(submission(PLAIN))
    loop.call_later(0.05, api.put, "jobs", NAMESPACE, other.objects["jobs", NAMESPACE, "train"])
    await delete(caller, since=loop.time())
    assert api.jobs_ever == ["train"]
    assert api.names() == []


@pytest.mark.parametrize(
    ("labels", "annotations", "found"),
    [
        ({}, {}, JobOwner(ONE.key)),
        ({}, {"job-submission.io/partition": "5"}, JobOwner(ONE.key, 5)),
        ({}, {"job-submission.io/partition": "none"}, JobOwner(ONE.key)),
        ({}, {"job-submission.io/submission-id": "none"}, None),
        ({"project": "team-b"}, {}, None),
        ({"job-submission.io/installation": "staging"}, {}, None),
        ({"app.kubernetes.io/managed-by": "somebody"}, {}, None),
    ],
)
async def test_a_name_is_that_of_a_submission_of_the_project_and_installation(labels, annotations, found) -> None:
    api = FakeApi()
    caller = Caller(api)
    await caller.submit(submission(PLAIN))
    metadata = api.objects["jobs", NAMESPACE, "train"]["metadata"]
    metadata["labels"] |= labels
    metadata["annotations"] |= annotations
    assert await owner_of(caller.cluster, "team-a", "train", caller.sleep) == found


async def test_a_job_without_any_label_and_none_at_all_are_nobodys() -> None:
    api = FakeApi()
    api.put("jobs", NAMESPACE, {"metadata": {"name": "train"}})
    caller = Caller(api)
    assert [await owner_of(caller.cluster, "team-a", name, caller.sleep) for name in ("train", "eval")] == [None, None]


class DenyingApi(FakeApi):
    """An API server that does not let the service see any Job."""

    async def read(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        raise ApiError(DENIED)


async def test_a_project_without_a_namespace_has_no_job_and_one_that_denies_all_is_told_apart() -> None:
    nowhere, denying = Caller(DenyingApi(namespaces=())), Caller(DenyingApi())
    assert await nowhere.submitter.owner_of(TRAIN, nowhere.sleep) is None
    with pytest.raises(SubmissionRejected) as refused:
        await denying.submitter.owner_of(TRAIN, denying.sleep)
    assert (refused.value.rejection.status, refused.value.rejection.reason) == (403, "Forbidden")


async def test_a_deletion_that_a_policy_denies_is_refused() -> None:
    api = FakeApi()
    caller, sent = Caller(api), submission(PLAIN)
    await caller.submit(sent)

    class Guarded(FakeApi):
        async def delete(self, *_: Any, **__: Any) -> None:
            raise ApiError(ApiAnswer(403, "Forbidden", 'admission webhook "w" denied the request: no'))

    guarded = Guarded()
    guarded.objects = api.objects
    with pytest.raises(SubmissionRejected) as refused:
        await Caller(guarded).submitter.delete(
            TRAIN, ONE.key, confirm=caller.confirm, sleep=caller.sleep, since=LONG_AGO
        )
    assert refused.value.rejection.reason == "PolicyDenied"
    assert api.names() == ["jobs/train"]


async def test_a_hold_does_not_keep_the_pods_running() -> None:
    """Pods are stopped when their Job is gone, which a finalizer puts off."""
    api = FakeApi()
    await Caller(api).submit(submission({**PLAIN, "ttlAfterFinish": "5s"}))
    assert api.objects["jobs", NAMESPACE, "train"]["metadata"]["finalizers"] == [HOLD_FINALIZER]
    await delete(Caller(api))
    assert api.names() == []

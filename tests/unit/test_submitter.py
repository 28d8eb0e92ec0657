"""From a submission to its outcome, on an API that fails as scripted."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.job_creation import MAX_NAMES
from service.errors import LeaseLost
from service.kube import ApiError
from service.kube.decisions import ApiAnswer
from service.manifests.labels import REJECTION_ANNOTATION
from service.submission.identity import fingerprint, generated_name
from service.submission.records import Submission
from tests.unit.fake_api import FAULTS, FakeApi
from tests.unit.submitting import (
    NAMESPACE,
    ONE,
    PLAIN,
    RICH,
    RICH_OBJECTS,
    TWO,
    Caller,
    answered,
    submission,
    until_no_crash,
)

QUOTA = ApiAnswer(403, "Forbidden", 'jobs.batch "train" is forbidden: exceeded quota: q, used: 1, limited: 1')
ANOTHER_NAME = (
    "give another name, or jobNamePrefix; what may be sent again needs an Idempotency-Key, or ce_id on the topic"
)
INVALID = ApiAnswer(422, "Invalid", 'Service "train" is invalid: spec.ports[0].nodePort: Invalid value')


async def test_a_job_and_its_dependents_are_made_in_order() -> None:
    api = FakeApi()
    api.warnings = ("would violate PodSecurity",)
    caller, sent = Caller(api), submission({**RICH, "preemptible": True})
    warnings = (
        "job.preemptible has no effect on priority under the scheduler profile kubernetes",
        "would violate PodSecurity",
    )
    assert await caller.submit(sent) == answered(sent, 200, {"name": "train"}, warnings=warnings)
    assert api.calls == [
        "create jobs/train",
        "create persistentvolumeclaims/pvc-train-0",
        "create persistentvolumeclaims/pvc-train-1",
        "create services/train",
        "create ingresses/train",
    ]
    assert caller.confirmed == 5
    uid = api.objects["jobs", NAMESPACE, "train"]["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": uid}
    owners = {key[0]: body["metadata"].get("ownerReferences") for key, body in api.objects.items()}
    assert owners == {
        "jobs": None,
        "persistentvolumeclaims": [owner],
        "services": [owner],
        "ingresses": [owner],
    }


@given(st.lists(st.sampled_from((*FAULTS, "ok")), max_size=30))
def test_whatever_fails_there_is_one_job_with_all_its_dependents(faults: list[str]) -> None:
    api, sent = FakeApi(faults), submission(RICH)
    assert asyncio.run(until_no_crash(api, sent)) == answered(sent, 200, {"name": "train"})
    assert api.names() == RICH_OBJECTS
    assert api.jobs_ever == ["train"]


@given(st.lists(st.sampled_from((*FAULTS, "ok")), max_size=30))
def test_whatever_fails_a_refused_dependent_leaves_nothing_behind(faults: list[str]) -> None:
    api, sent = FakeApi(faults), submission({**RICH, "ttlAfterFinish": "5s"})
    api.refuse = lambda resource, _name: INVALID if resource == "services" else None
    outcome = asyncio.run(until_no_crash(api, sent))
    assert (outcome.status, outcome.body["message"]) == (
        400,
        "Kubernetes refused the Service train: " + INVALID.message,
    )
    assert api.names() == []


async def test_submitting_again_changes_nothing() -> None:
    api, sent = FakeApi(), submission(RICH)
    first = await Caller(api).submit(sent)
    before = dict(api.objects)
    assert await Caller(api).submit(sent) == first
    assert api.objects == before


async def test_missing_dependents_are_made_good() -> None:
    api, sent = FakeApi(), submission(RICH)
    await Caller(api).submit(sent)
    del api.objects["services", NAMESPACE, "train"]
    del api.objects["persistentvolumeclaims", NAMESPACE, "pvc-train-1"]
    await Caller(api).submit(sent)
    assert api.names() == RICH_OBJECTS


async def test_a_refusal_may_hide_what_was_made_before() -> None:
    """The real API server says that a node port is taken before it says that the Service exists."""
    api, sent = FakeApi(), submission(RICH)
    await Caller(api).submit(sent)
    api.refuse = lambda resource, _name: {"services": INVALID, "jobs": QUOTA}.get(resource)
    assert await Caller(api).submit(sent) == answered(sent, 200, {"name": "train"})
    assert api.names() == RICH_OBJECTS


async def test_a_job_being_deleted_counts_as_done() -> None:
    api, sent = FakeApi(), submission({**RICH, "ttlAfterFinish": "5s"})
    await Caller(api).submit(sent)
    metadata = api.objects["jobs", NAMESPACE, "train"]["metadata"]
    await api.delete("jobs", NAMESPACE, "train", metadata["uid"])
    del api.objects["services", NAMESPACE, "train"]
    api.calls.clear()
    assert await Caller(api).submit(sent) == answered(sent, 200, {"name": "train"})
    assert api.calls == ["create jobs/train", "read jobs/train"]


async def test_another_request_under_the_same_id_is_a_conflict() -> None:
    api, first, second = FakeApi(), submission(PLAIN), submission({**PLAIN, "image": "other"})
    await Caller(api).submit(first)
    message = "the id of this submission was used before for another request, which made the Job train: use a new one"
    details = "the id is the Idempotency-Key of a POST, ce_source and ce_id of a record"
    conflict = answered(
        second,
        422,
        {"status": 422, "code": 422, "reason": "IdReused", "message": message, "details": details},
        is_aside=True,
    )
    assert await Caller(api).submit(second) == conflict
    assert (
        api.objects["jobs", NAMESPACE, "train"]["spec"]["template"]["spec"]["containers"][0]["image"] == "python:3.12"
    )


@pytest.mark.parametrize("refusal", [None, QUOTA])
async def test_a_given_name_of_somebody_else_is_taken(refusal: ApiAnswer | None) -> None:
    api, sent = FakeApi(), submission(PLAIN)
    api.put("jobs", NAMESPACE, {"metadata": {"name": "train"}})
    api.refuse = lambda _resource, _name: refusal
    body = {
        "status": 409,
        "code": 409,
        "reason": "NameTaken",
        "message": "the name train is taken by another job",
        "details": ANOTHER_NAME,
    }
    assert await Caller(api).submit(sent) == answered(sent, 409, body)


async def test_a_generated_name_of_somebody_else_gives_the_next_one() -> None:
    api, sent = FakeApi(), submission({"project": "team-a", "image": "i", "jobNamePrefix": "p"})
    for attempt in range(2):
        api.put("jobs", NAMESPACE, {"metadata": {"name": generated_name("p", ONE, attempt)}})
    assert await Caller(api).submit(sent) == answered(sent, 200, {"name": generated_name("p", ONE, 2)})


async def test_names_are_not_tried_without_end() -> None:
    api, sent = FakeApi(), submission({"project": "team-a", "image": "i"})
    names = [generated_name(None, ONE, attempt) for attempt in range(MAX_NAMES)]
    for name in names:
        api.put("jobs", NAMESPACE, {"metadata": {"name": name}})
    body = {
        "status": 409,
        "code": 409,
        "reason": "NameTaken",
        "message": f"the name {names[-1]} is taken by another job",
        "details": ANOTHER_NAME,
    }
    assert await Caller(api).submit(sent) == answered(sent, 409, body)


async def test_an_exceeded_quota_is_a_refusal_when_nothing_of_ours_is_there() -> None:
    api, sent = FakeApi(), submission(PLAIN)
    api.refuse = lambda _resource, _name: QUOTA
    body = {
        "status": 429,
        "code": 429,
        "reason": "QuotaExceeded",
        "message": f"Kubernetes refused the Job train: {QUOTA.message}",
        "details": "the quota of the project is used up",
    }
    assert await Caller(api).submit(sent) == answered(sent, 429, body)
    assert api.calls == ["create jobs/train", "read jobs/train"]


async def test_an_unknown_project_is_not_found() -> None:
    sent = submission({**PLAIN, "project": "nobody"})
    outcome = await Caller(FakeApi()).submit(sent)
    assert (outcome.status, outcome.body["message"]) == (
        404,
        "the project nobody is unknown: there is no namespace runai-nobody",
    )


@pytest.mark.parametrize(
    ("namespaces", "status", "message"),
    [
        (
            ("runai-team-a",),
            403,
            'Kubernetes refused the Job train: jobs.batch is forbidden: User "s" cannot create resource "jobs"',
        ),
        ((), 404, "the project team-a is unknown: there is no namespace runai-team-a"),
    ],
)
async def test_a_namespace_the_service_may_not_even_look_into(
    namespaces: tuple[str, ...], status: int, message: str
) -> None:
    """With rights in some namespaces only, another one is refused to creates and reads alike."""
    api, sent = FakeApi(namespaces=namespaces), submission(PLAIN)
    forbidden = ApiAnswer(403, "Forbidden", 'jobs.batch is forbidden: User "s" cannot create resource "jobs"')
    api.refuse = lambda _resource, _name: forbidden

    async def read(*_: str) -> None:
        raise ApiError(forbidden)

    api.read = read  # type: ignore[method-assign]
    outcome = await Caller(api).submit(sent)
    assert (outcome.status, outcome.body["message"]) == (status, message)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_no_json_is_refused_without_asking_kubernetes(body: bytes) -> None:
    api = FakeApi()
    outcome = await Caller(api).submit(Submission(id=ONE, has_own_id=True, body=body, received=0.0))
    assert (outcome.status, outcome.fingerprint, api.calls) == (400, fingerprint(body), [])


async def test_faults_are_refused_without_asking_kubernetes() -> None:
    api, sent = FakeApi(), submission({"project": "team-a", "gpu": 1.5})
    outcome = await Caller(api).submit(sent)
    paths = {fault["path"] for fault in outcome.body["details"]}
    assert (outcome.status, paths, api.calls) == (400, {"job.image", "job.gpu"}, [])


async def test_a_dependent_of_somebody_else_takes_the_job_back() -> None:
    api, sent = FakeApi(), submission(RICH)
    api.put("services", NAMESPACE, {"metadata": {"name": "train"}})
    body = {
        "status": 409,
        "code": 409,
        "reason": "NameTaken",
        "message": 'Kubernetes refused the Service train: services "train" already exists',
        "details": "an object of this name exists",
    }
    assert await Caller(api).submit(sent) == answered(sent, 409, body)
    assert api.names() == ["services/train"]
    assert api.calls[-3:] == ["read jobs/train", "patch jobs/train", "delete jobs/train"]


@pytest.mark.parametrize(
    "leaving",
    [
        {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]},
        {"ownerReferences": [{"kind": "Job", "name": "train", "uid": "uid-0"}]},
    ],
)
async def test_a_dependent_that_is_being_collected_is_waited_for(leaving: dict[str, Any]) -> None:
    api, sent = FakeApi(), submission(RICH)
    api.put("services", NAMESPACE, {"metadata": {"name": "train", **leaving}})
    caller = Caller(api)

    def collect() -> None:
        if len(caller.slept) == 3:
            api.objects.pop(("services", NAMESPACE, "train"))
            caller.on_confirm = lambda: None

    caller.on_confirm = collect
    assert await caller.submit(sent) == answered(sent, 200, {"name": "train"})
    assert (api.names(), caller.retries()) == (RICH_OBJECTS, {"being-collected": 3.0})


async def test_a_job_that_was_being_taken_back_is_taken_back() -> None:
    """A crash between the annotation and the deletion must not make a success of a refusal."""
    api, sent = FakeApi(), submission(RICH)
    await Caller(api).submit(sent)
    metadata = api.objects["jobs", NAMESPACE, "train"]["metadata"]
    metadata["annotations"][REJECTION_ANNOTATION] = "409 no Service: taken"
    assert await Caller(api).submit(sent) == answered(
        sent, 409, {"status": 409, "code": 409, "reason": "NameTaken", "message": "no Service: taken"}
    )
    assert api.names() == []


@pytest.mark.parametrize("moment", ["patch jobs/train", "delete jobs/train"])
@pytest.mark.parametrize("replaced", [True, False])
async def test_a_job_that_vanishes_while_it_is_taken_back(moment: str, replaced: bool) -> None:
    """Somebody deletes it, and somebody may even make another of that name, which is left alone."""
    api = FakeApi()
    api.refuse = lambda resource, _name: INVALID if resource == "services" else None
    caller = Caller(api)

    def vanish() -> None:
        if api.calls[-1] == moment:
            api.objects.clear()
            if replaced:
                api.put("jobs", NAMESPACE, {"metadata": {"name": "train"}})
            caller.on_confirm = lambda: None

    caller.on_confirm = vanish
    assert (await caller.submit(submission(RICH))).status == 400
    assert moment in api.calls
    assert api.names() == (["jobs/train"] if replaced else [])


async def test_what_may_not_be_done_is_no_rejection() -> None:
    api = FakeApi()
    api.refuse = lambda resource, _name: INVALID if resource == "services" else None
    forbidden = ApiAnswer(403, "Forbidden", "cannot patch resource jobs")

    async def patch(*_: Any) -> None:
        raise ApiError(forbidden)

    api.patch = patch  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="cannot patch"):
        await Caller(api).submit(submission(RICH))


async def test_nothing_is_written_without_the_lease() -> None:
    for writes in range(6):
        api = FakeApi()
        caller = Caller(api)

        def lose(caller: Caller = caller, writes: int = writes) -> None:
            if caller.confirmed > writes:
                raise LeaseLost

        caller.on_confirm = lose
        if writes < 5:
            with pytest.raises(LeaseLost):
                await caller.submit(submission(RICH))
        else:
            await caller.submit(submission(RICH))
        assert len(api.objects) == writes


async def test_the_log_is_told_the_project_wherever_it_is_known() -> None:
    caller = Caller(FakeApi())
    no_json = submission(PLAIN, TWO)._replace(body=b"{")
    outcomes = [await caller.submit(sent) for sent in (submission(PLAIN), submission({"image": "i"}, TWO), no_json)]
    assert [(outcome.status, outcome.project) for outcome in outcomes] == [(200, "team-a"), (400, None), (400, None)]

"""Which PodTemplate lies under a job, how often it is read, and what is answered where it cannot be used."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.cluster.pod_templates import PodTemplates
from service.kube import ApiError
from service.kube.decisions import ApiAnswer
from service.manifests.labels import FIXED_ANNOTATION
from service.submission.outcomes import Outcome
from tests.unit.fake_api import FAULTS, Crash, FakeApi
from tests.unit.submitting import NAMESPACE, PLAIN, Caller, answered, submission

OWN = "jobs"
FAULT = (
    f"the PodTemplate {NAMESPACE}/job-submission: its annotation {FIXED_ANNOTATION}: "
    "spec cannot be fixed: name the fields below it"
)
DENIED = ApiAnswer(403, "Forbidden", 'podtemplates "x" is forbidden: User "y" cannot get resource "podtemplates"')
INVALID = ApiAnswer(422, "Invalid", "spec.template.spec.containers[1].name: Duplicate value", details={"causes": []})
JOB = {"metadata": {"name": "train"}}


def put(api: FakeApi, namespace: str = NAMESPACE, priority: str = "low", fixed: str = "") -> None:
    """Store the PodTemplate of a namespace."""
    metadata = {"name": "job-submission", "namespace": namespace, "annotations": {FIXED_ANNOTATION: fixed}}
    api.put("podtemplates", namespace, {"metadata": metadata, "template": {"spec": {"priorityClassName": priority}}})


def caller(api: FakeApi, **kube: Any) -> Caller:
    return Caller(api, pod_template="job-submission", **kube)


def priority(api: FakeApi) -> str | None:
    """The priority class of the one Job's pods, which the template gives."""
    spec = api.objects["jobs", NAMESPACE, "train"]["spec"]["template"]["spec"]
    return spec.get("priorityClassName")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("places", "expected"), [((NAMESPACE, OWN), NAMESPACE), ((OWN,), OWN), ((NAMESPACE,), NAMESPACE), ((), None)]
)
async def test_the_projects_own_counts_before_that_of_the_service(places: tuple[str, ...], expected: str | None):
    api = FakeApi()
    for place in places:
        put(api, place)
    found = await PodTemplates(api, "job-submission", OWN, 1).of(NAMESPACE)  # type: ignore[arg-type] # a fake
    assert (found.name if found else None) == (f"{expected}/job-submission" if expected else None)


async def test_it_is_read_once_for_many_jobs_there_or_not():
    api = FakeApi()
    templates = PodTemplates(api, "job-submission", OWN, 64)  # type: ignore[arg-type] # a fake
    await asyncio.gather(*(templates.of(namespace) for namespace in ("a", "b") for _ in range(50)))
    assert sorted(api.calls) == ["read podtemplates/job-submission"] * 3


async def test_without_a_name_none_is_looked_for():
    api = FakeApi()
    put(api)
    assert (await Caller(api).submit(submission(PLAIN))).status == 200
    assert api.calls == ["create jobs/train"]
    assert priority(api) is None


async def test_a_job_lies_over_it_in_a_dry_run_too():
    api = FakeApi()
    put(api, fixed="spec.hostIPC")
    sent = submission({**PLAIN, "hostIpc": True})
    outcome = await caller(api).submit(sent._replace(is_dry_run=True))
    (job,) = outcome.body["objects"]
    assert job["spec"]["template"]["spec"]["priorityClassName"] == "low"
    warning = f"the PodTemplate {NAMESPACE}/job-submission fixes spec.hostIPC: what the request says of it is void"
    assert outcome.warnings == (warning,)
    outcome = await caller(api).submit(sent)
    assert outcome == answered(sent, 200, {"name": "train"}, warnings=(warning,), project="team-a")
    assert priority(api) == "low"


@pytest.mark.parametrize("fixed", ["", "spec"])
async def test_a_repetition_after_a_change_of_the_template_is_the_same_job(fixed: str):
    """Also after one that made it faulty: what was made stays made."""
    api = FakeApi()
    put(api)
    sent = submission(PLAIN)
    first = await caller(api).submit(sent)
    put(api, priority="high", fixed=fixed)
    again = await caller(api).submit(sent)
    assert first == again == answered(sent, 200, {"name": "train"}, project="team-a")
    assert api.jobs_ever == ["train"]
    assert priority(api) == "low"
    other = await caller(api).submit(submission({**PLAIN, "gpu": 1}))
    assert (other.status, other.body["reason"]) == (422, "IdReused")


@pytest.mark.parametrize("dry", [False, True])
async def test_a_faulty_one_is_a_rejection_with_its_own_reason_and_a_line_in_the_log(dry: bool):
    api = FakeApi()
    put(api, fixed="spec")
    sent = submission(PLAIN)._replace(is_dry_run=dry)
    process = caller(api)
    with capture_logs() as logs:
        outcomes = [await process.submit(sent) for _ in range(2)]
    assert [(each.status, each.body["reason"], each.body["message"]) for each in outcomes] == [
        (409, "InvalidPodTemplate", FAULT)
    ] * 2
    assert logs == [
        {
            "event": "pod-template-faulty",
            "log_level": "error",
            "namespace": NAMESPACE,
            "name": "job-submission",
            "reason": FAULT,
        }
    ]
    assert api.jobs_ever == []


async def test_one_that_makes_the_job_invalid_is_told_from_a_job_that_is_invalid():
    for blamed, reason in ((True, "InvalidPodTemplate"), (False, "InvalidObject")):
        api = FakeApi()
        put(api)
        refusals = iter([INVALID, *([] if blamed else [INVALID])])
        api.refuse = lambda _resource, _name, refusals=refusals: next(refusals, None)  # type: ignore[misc]
        outcome = await caller(api).submit(submission(PLAIN))
        assert outcome.body["reason"] == reason
        assert INVALID.message in outcome.body["message"]
        assert (f"for what the PodTemplate {NAMESPACE}/job-submission adds" in outcome.body["message"]) is blamed
        assert api.jobs_ever == []


async def test_an_outage_while_it_is_read_is_waited_for():
    api = FakeApi(faults=["refused", "refused", "503", "no-api", "401", "429", "500"])
    put(api)
    outcome = await caller(api).submit(submission(PLAIN))
    assert outcome.status == 200
    assert priority(api) == "low"


class Denying(FakeApi):
    """It refuses a look at PodTemplates."""

    async def read(self, resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        if resource == "podtemplates":
            raise ApiError(DENIED)
        return await super().read(resource, namespace, name)


async def test_without_the_right_to_read_it_nothing_is_made_without_it():
    api = Denying()
    outcome = await caller(api).submit(submission(PLAIN))
    assert (outcome.status, outcome.body["reason"]) == (403, "Forbidden")
    assert outcome.body["message"] == f"Kubernetes refused to show the PodTemplate job-submission: {DENIED.message}"
    assert api.jobs_ever == []


async def test_a_project_without_a_namespace_is_unknown_there_too():
    outcome = await caller(Denying(namespaces=())).submit(submission(PLAIN))
    assert (outcome.status, outcome.body["reason"]) == (404, "UnknownProject")


@given(st.lists(st.sampled_from(FAULTS), max_size=8), st.integers(0, 8))
def test_whatever_fails_and_when_the_template_breaks_there_is_one_job_with_it_or_one_rejection(
    faults: list[str], breaks_after: int
):
    """Processes crash and are followed by new ones, and the template becomes faulty after some requests."""
    api = FakeApi(faults)
    put(api)

    async def submit_until_answered() -> Outcome:
        for _ in range(20):
            if len(api.calls) >= breaks_after:
                put(api, fixed="spec")
            try:
                return await caller(api).submit(submission(PLAIN))
            except Crash:
                continue
        raise AssertionError("no answer")

    outcome = asyncio.run(submit_until_answered())
    assert (outcome.status, api.jobs_ever) in ((200, ["train"]), (409, []))
    if outcome.status == 200:
        assert priority(api) == "low"
    else:
        assert outcome.body["reason"] == "InvalidPodTemplate"

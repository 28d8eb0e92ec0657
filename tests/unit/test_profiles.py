"""Scheduler profiles: the whole Job that each makes of a request, and what it warns of. A profile needs cases here."""

from typing import Any

import pytest

from service.manifests.job import ManifestOptions, Manifests, effect_warnings
from service.manifests.profiles import PROFILES, Profile
from service.spec import metadata
from tests.unit.expected_job import built, job_manifest, submission

RUNAI = {"runai/queue": "team-a", "priorityClassName": "train"}
KAI = {"kai.scheduler/queue": "team-a", "priorityClassName": "train"}
QUEUE = {"kueue.x-k8s.io/queue-name": "team-a"}
_TYPE = {"job-submission.io/type": "Interactive"}
SESSION = {"spec": {"backoffLimit": 0, "completions": 1}, "annotations": _TYPE}
PREEMPTIBLE_SESSION = {"spec": {"completions": 1}, "annotations": _TYPE}


def scheduled(scheduler: str, labels: dict[str, str], **changes: Any) -> dict[str, Any]:
    return job_manifest(labels=labels, pod_labels=labels, pod={"schedulerName": scheduler}, **changes)


def queued(*, spec: dict[str, Any] | None = None, labels: dict[str, str] | None = None, **changes: Any):
    return job_manifest(labels={**QUEUE, **(labels or {})}, spec={"suspend": True, **(spec or {})}, **changes)


# profile -> the rest of the request, and the whole Job
PROFILE_CASES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "kubernetes": [
        ({"interactive": True}, job_manifest(**SESSION)),
        ({"interactive": True, "preemptible": True, "elastic": True}, job_manifest(**PREEMPTIBLE_SESSION)),
    ],
    "runai": [
        ({}, scheduled("runai-scheduler", RUNAI)),
        ({"preemptible": True}, scheduled("runai-scheduler", RUNAI)),
        ({"interactive": True}, scheduled("runai-scheduler", {**RUNAI, "priorityClassName": "build"}, **SESSION)),
        (
            {"interactive": True, "preemptible": True},
            scheduled(
                "runai-scheduler", {**RUNAI, "priorityClassName": "interactive-preemptible"}, **PREEMPTIBLE_SESSION
            ),
        ),
        ({"elastic": True}, scheduled("runai-scheduler", {**RUNAI, "elastic": "true"})),
        (
            {"gpu": 0.5},
            scheduled("runai-scheduler", RUNAI, pod_metadata={"annotations": {"gpu-fraction": "0.5"}}),
        ),
        (
            {"gpu": 2},
            scheduled("runai-scheduler", RUNAI, container={"resources": {"limits": {"nvidia.com/gpu": "2"}}}),
        ),
    ],
    "kai": [
        ({}, scheduled("kai-scheduler", KAI)),
        ({"preemptible": True, "elastic": True}, scheduled("kai-scheduler", KAI)),
        ({"interactive": True}, scheduled("kai-scheduler", {**KAI, "priorityClassName": "build"}, **SESSION)),
        (
            {"interactive": True, "preemptible": True},
            scheduled("kai-scheduler", {**KAI, "priorityClassName": "build-preemptible"}, **PREEMPTIBLE_SESSION),
        ),
        (
            {"completions": 4, "parallelism": 4},
            scheduled("kai-scheduler", KAI, spec={"completions": 4, "parallelism": 4}),
        ),
        (
            {"gpu": 0.25, "cpu": 1},
            scheduled(
                "kai-scheduler",
                KAI,
                pod_metadata={"annotations": {"gpu-fraction": "0.25"}},
                container={"resources": {"requests": {"cpu": "1"}}},
            ),
        ),
    ],
    "kueue": [
        ({}, queued()),
        ({"elastic": True, "preemptible": True}, queued()),
        ({"interactive": True}, queued(**SESSION)),
        (
            {"elastic": True, "parallelism": 3, "completions": 4},
            queued(spec={"completions": 4, "parallelism": 3}, annotations={"kueue.x-k8s.io/job-min-parallelism": "1"}),
        ),
        # Kueue refuses a minimum that is not below what can be at once
        ({"elastic": True, "parallelism": 3, "completions": 1}, queued(spec={"completions": 1, "parallelism": 3})),
    ],
}


def test_every_profile_has_cases():
    assert list(PROFILE_CASES) == list(WARNINGS) == list(PROFILES)


@pytest.mark.parametrize(
    ("profile", "job", "expected"),
    [(profile, *case) for profile, cases in PROFILE_CASES.items() for case in cases],
)
def test_a_profile(profile: str, job: dict[str, Any], expected: dict[str, Any]):
    assert built(job, profile) == Manifests(expected, ())


def test_the_priority_class_of_kueue_is_a_setting():
    options = ManifestOptions(kueue_priority_class="high")
    assert built({}, "kueue", options=options).job == queued(labels={"kueue.x-k8s.io/priority-class": "high"})
    assert built({}, "kubernetes", options=options).job == job_manifest()


ELASTIC = {"elastic": True}
PREEMPTIBLE = {"interactive": True, "preemptible": True}

ALONE = "job.elastic has no effect under the scheduler profile kueue without parallelism and completions above 1"

# profile -> the rest of the request, and the warnings
WARNINGS: dict[str, list[tuple[dict[str, Any], tuple[str, ...]]]] = {
    "kubernetes": [
        ({}, ()),
        (
            {**ELASTIC, **PREEMPTIBLE},
            (
                "job.elastic has no effect under the scheduler profile kubernetes",
                "job.preemptible has no effect on priority under the scheduler profile kubernetes",
            ),
        ),
        (
            {"command": "a && b"},
            ("job.command has \"&&\", which only a shell acts on, and none runs: for one write bash -c '...'",),
        ),
        ({"command": ["a", "&&", "b"]}, ()),
        ({"command": "bash -c 'a && b'"}, ()),
        ({"name": "a", "jobNamePrefix": "b"}, ("job.jobNamePrefix has no effect: job.name is given",)),
        (
            {"serviceType": "ingress", "ports": [{"container": 80}, {"container": 81}]},
            ("job.serviceType ingress leads to the first port only, 80",),
        ),
        ({"serviceType": "nodeport", "ports": [{"container": 80}, {"container": 81}]}, ()),
    ],
    "runai": [({**ELASTIC, **PREEMPTIBLE}, ())],
    "kai": [
        ({**ELASTIC, **PREEMPTIBLE}, ("job.elastic has no effect under the scheduler profile kai",)),
    ],
    "kueue": [
        (PREEMPTIBLE, ("job.preemptible has no effect on priority under the scheduler profile kueue",)),
        ({**ELASTIC, "parallelism": 2, "completions": 2}, ()),
        *(
            (
                {**ELASTIC, **job},
                (ALONE,),
            )
            for job in ({}, {"completions": 3}, {"parallelism": 2, "completions": 1})
        ),
    ],
}


@pytest.mark.parametrize(
    ("profile", "job", "warnings"), [(profile, *case) for profile, cases in WARNINGS.items() for case in cases]
)
def test_warnings(profile: str, job: dict[str, Any], warnings: tuple[str, ...]):
    assert effect_warnings(submission(profile, **job), PROFILES[profile]) == warnings


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_no_request_can_set_what_a_scheduler_reads(profile: Profile):
    keys = {
        profile.queue_label,
        profile.fraction_annotation,
        profile.priorities and profile.priorities.label,
        profile.priority_setting_label,
        profile.elastic and profile.elastic.key,
    } - {None}
    for key in keys:
        with pytest.raises(ValueError, match="reserved key"):
            metadata.key.read(key)

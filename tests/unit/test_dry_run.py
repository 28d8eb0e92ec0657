"""A dry run goes the way of a submission, makes nothing, and leaves no mark."""

from dataclasses import replace
from typing import Any

import pytest

from service.kube.decisions import ApiAnswer
from service.submission.identity import fingerprint
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from tests.unit.fake_api import FakeApi
from tests.unit.handled_records import BODY, PARTITION, World, outcome_of, record, submission_of
from tests.unit.submitting import NAMESPACE, ONE, PLAIN, RICH, RICH_OBJECTS, Caller, answered, submission

QUOTA = ApiAnswer(403, "Forbidden", 'services "train" is forbidden: exceeded quota: q, used: 1, limited: 1')


def dry(job: dict[str, Any]) -> Submission:
    return submission(job)._replace(is_dry_run=True)


async def test_it_asks_for_every_object_and_answers_with_them() -> None:
    api = FakeApi()
    api.warnings = ("would violate PodSecurity",)
    outcome = await Caller(api).submit(dry(RICH))
    assert api.calls == [
        "create jobs/train?dryRun",
        "create persistentvolumeclaims/pvc-train-0?dryRun",
        "create persistentvolumeclaims/pvc-train-1?dryRun",
        "create services/train?dryRun",
        "create ingresses/train?dryRun",
    ]
    assert api.objects == {}
    objects = outcome.body.pop("objects")
    assert outcome == answered(
        dry(RICH), 200, {"name": "train", "dryRun": True}, warnings=("would violate PodSecurity",)
    )
    kinds = {"Ingress": "ingresses", "Job": "jobs", "PersistentVolumeClaim": "persistentvolumeclaims"}
    kinds["Service"] = "services"
    assert sorted(f"{kinds[each['kind']]}/{each['metadata']['name']}" for each in objects) == RICH_OBJECTS
    made_up = {"uid", "creationTimestamp", "managedFields", "generation", "ownerReferences"}
    assert all("status" not in each and not made_up & set(each["metadata"]) for each in objects)


async def test_it_is_refused_as_a_submission_would_be_and_takes_nothing_back() -> None:
    outcomes = []
    for sent in (dry(RICH), submission(RICH)):
        api = FakeApi()
        api.refuse = lambda resource, _name: QUOTA if resource == "services" else None
        outcomes.append(await Caller(api).submit(sent))
        assert api.objects == {}
        if sent.is_dry_run:
            assert [call for call in api.calls if not call.startswith(("create", "read"))] == []
    assert outcomes[0] == outcomes[1]
    assert (outcomes[0].status, outcomes[0].body["reason"]) == (429, "QuotaExceeded")


async def test_a_name_that_is_taken_is_told() -> None:
    api = FakeApi()
    api.put("jobs", NAMESPACE, {"metadata": {"name": "train"}})
    outcome = await Caller(api).submit(dry(PLAIN))
    assert (outcome.status, outcome.body["reason"]) == (409, "NameTaken")


async def test_a_dry_run_of_what_was_made_changes_nothing_of_it() -> None:
    api = FakeApi()
    await Caller(api).submit(submission(PLAIN))
    before = dict(api.objects)
    outcome = await Caller(api).submit(dry(PLAIN))
    assert (outcome.status, outcome.body["name"]) == (200, "train")
    assert api.objects == before


async def test_its_outcome_uses_up_no_id() -> None:
    world = World()
    (outcome,) = await world.handle(record(ce_id=b"a", ce_source=b"/tests", dry_run=b"true"))
    assert outcome.is_aside
    assert world.released == []
    assert [sent.is_dry_run for sent in world.submitted] == [True]


@pytest.mark.parametrize("spelling", ["dry-run", "dry_run", "dryRun", "DRY-RUN", "dryrun"])
async def test_however_the_header_is_spelled_nothing_is_made(spelling: str) -> None:
    given = record()._replace(headers=((spelling, b"true"),))
    assert submission_of(given).is_dry_run


@pytest.mark.parametrize("value", [b"yes", b"1", b"True"])
async def test_a_value_that_nobody_knows_makes_nothing_and_is_told(value: bytes) -> None:
    world = World()
    (outcome,) = await world.handle(record(ce_id=b"a", ce_source=b"/tests", dry_run=value))
    assert (outcome.status, outcome.is_aside, world.submitted) == (400, True, [])
    assert outcome.body["details"][0]["path"] == "headers.dry-run"


async def test_a_dry_run_of_a_used_id_is_answered_as_its_submission_would_be() -> None:
    world = World()
    given = record(ce_id=b"a", ce_source=b"/tests")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    dry_headers = {"ce_id": b"a", "ce_source": b"/tests", "dry_run": b"true", "correlation_id": b"c"}
    (same,) = await world.handle(record(**dry_headers))
    assert same == replace(known, correlation_id="c", is_aside=True)
    (other,) = await world.handle(record(value=b'{"job": {}}', **dry_headers))
    assert (other.status, other.is_aside) == (422, True)


async def test_a_dry_run_that_crashes_leaves_the_id_free() -> None:
    world = World(max_attempts=1)
    world.submit_error = ZeroDivisionError()
    _letter, outcome = await world.handle(record(ce_id=b"a", ce_source=b"/tests", dry_run=b"true"))
    assert (outcome.status, outcome.is_aside) == (500, True)


def test_the_aside_of_a_dry_run_is_the_one_that_its_waiter_knows() -> None:
    sent = submission_of(record(dry_run=b"true"))
    outcome = replace(Outcome.of(sent, fingerprint(BODY), "job-1"), is_aside=True)
    assert outcome.key == f"{sent.id.key}.{fingerprint(BODY)}"


async def test_a_dry_run_needs_no_pause_to_end(tmp_path) -> None:
    switch = tmp_path / "paused"
    switch.touch()
    outcome = await Caller(FakeApi(), pause_file=switch).submit(dry(PLAIN))
    assert (outcome.status, outcome.id) == (200, ONE)

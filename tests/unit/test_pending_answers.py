"""`GET /api/submissions/<id>` while there is no outcome: where the submission waits, over the wire."""

import dataclasses
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from service.broker import BrokerUnavailable
from service.submission.waiting_in_log import Place, Trouble
from tests.unit.job_events import key
from tests.unit.running_ingress import RunningIngress, running
from tests.unit.test_cancel_routes import Verified, past_outcome, with_past

PATH = f"/api/submissions/{key(1)}"
PRODUCED = 1000


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after the epoch, for the handler alone."""
    clock = SimpleNamespace(time=lambda: 3600.0, monotonic=time.monotonic)
    monkeypatch.setattr("service.api.submissions.time", clock)


@pytest.mark.parametrize(
    ("place", "reason", "severity", "sentence"),
    [
        (Place(0, PRODUCED), "Queued", "progress", "it is the next, 59 min on the topic"),
        (Place(7, PRODUCED, is_read=True), "Queued", "progress", "7 before it, 59 min on the topic"),
        (
            *(Place(7, PRODUCED, is_read=False), "PartitionPaused", "service"),
            "no consumer reads its partition; 7 before it, 59 min on the topic",
        ),
        (
            *(Place(7, PRODUCED, trouble=Trouble.UNREACHABLE), "ServiceDegraded", "service"),
            "the cluster cannot be reached; 7 before it, 59 min on the topic",
        ),
    ],
)
async def test_a_submission_that_waits_is_told_where_and_why(place: Place, reason: str, severity: str, sentence: str):
    async with running() as ingress:
        ingress.topic.places[key(1)] = "john", place
        answer = await ingress.get(PATH)
    waiting = answer.body.pop("waiting")
    assert (answer.status, answer.headers["Retry-After"], answer.body) == (
        202,
        "1",
        {
            "status": 202,
            "message": "the outcome is not known yet",
            "position": place.ahead + 1,
            "ageSeconds": 3599,
        },
    )
    assert (waiting["stage"], waiting["reason"], waiting["class"], waiting["sentence"], waiting["since"]) == (
        "log",
        reason,
        severity,
        sentence,
        PRODUCED,
    )


async def expected(ingress: RunningIngress) -> str:
    """The path of a submission that was just taken, and whose outcome this process still expects."""
    with ingress.ingress._waiters.expect(
        SimpleNamespace(id=SimpleNamespace(key=key(1)), user="john", correlation_id="c"), 60
    ):
        return (await ingress.get(PATH)).body


async def unavailable(*_: object) -> None:
    raise BrokerUnavailable("gone")


@pytest.mark.parametrize("place", [None, unavailable])
async def test_one_that_is_expected_here_is_pending_before_it_is_on_the_topic_or_while_kafka_is_gone(
    place: Callable[..., Awaitable[None]] | None,
):
    async with running() as ingress:
        if place is not None:
            ingress.topic.place = place
        assert await expected(ingress) == {"status": 202, "message": "the outcome is not known yet"}


@pytest.mark.parametrize(("project", "status"), [("team-a", 202), ("team-b", 404), (None, 202)])
async def test_a_verified_user_is_told_of_their_own_that_wait_in_projects_they_may_see(
    project: str | None, status: int
):
    async with running(Verified()) as ingress:
        ingress.topic.places[key(1)] = "john", Place(0, PRODUCED)
        ingress.topic.waiting = {} if project is None else {key(1): project}
        assert (await ingress.get(PATH, "Authorization: Bearer john")).status == status


@pytest.mark.parametrize(
    ("user", "project", "status"),
    [("john", "team-a", 200), ("john", "team-b", 404), ("john", None, 200), ("mary", "team-a", 404)],
)
async def test_a_verified_user_is_told_of_their_own_outcomes_in_projects_they_may_see(
    user: str, project: str | None, status: int
):
    outcome = dataclasses.replace(past_outcome(project), user=user)
    async with running(Verified()) as ingress:
        await with_past(ingress, outcome)
        assert (await ingress.get(f"/api/submissions/{outcome.key}", "Authorization: Bearer john")).status == status


async def test_one_that_nobody_knows_is_told_so():
    async with running() as ingress:
        assert (await ingress.get(PATH)).status == 404
        ingress.topic.place = unavailable
        assert (await ingress.get(PATH)).status == 503

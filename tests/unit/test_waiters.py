"""Who gets which outcome: the request that waits for that submission, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.submission.identity import SubmissionId, fingerprint
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import Record, Submission, read_submission
from service.submission.rejections import id_reused
from tests.unit.running_ingress import BODY, RunningIngress, running


class Post:
    """A POST that waits, and the outcome that its submission gets."""

    def __init__(self, ingress: RunningIngress) -> None:
        self._ingress = ingress

    async def __aenter__(self) -> "Post":
        self.answer = asyncio.create_task(self._ingress.send("RA-USER: john", "Prefer: wait=5"))
        sent = await self._ingress.topic.next()
        self.submission = read_submission(Record(sent.topic, 0, 0, 0, sent.key, sent.value, sent.headers))
        self.outcome = Outcome.of(self.submission, fingerprint(BODY), "job-of-ours")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.publish(self.outcome)
        await self.answer

    def publish(self, outcome: Outcome) -> None:
        self._ingress.topic.publish(outcome_record(outcome, "job-outcomes", 0, 0.0))


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with running() as ingress, Post(ingress) as post:
        yield post


async def test_its_own_outcome(post):
    post.publish(post.outcome)
    answered = await post.answer
    assert (answered.status, answered.body) == (200, {"name": "job-of-ours"})


async def test_the_refusal_of_its_own_request_under_a_used_id(post):
    post.publish(Outcome.of(post.submission, fingerprint(BODY), id_reused("older"), is_aside=True))
    assert (await post.answer).status == 422


@pytest.mark.parametrize(
    "forge",
    [
        # who can read the topic knows the correlation id, and may produce a submission of its own with it
        lambda outcome: replace(outcome, id=SubmissionId("/topics/job-submissions", "forged")),
        # or one under the same identity with another body, which is refused as a reuse
        lambda outcome: replace(outcome, fingerprint="0" * 64, is_aside=True),
    ],
)
async def test_an_outcome_of_another_submission_with_its_correlation_id_is_not_its_own(post, forge):
    post.publish(forge(replace(post.outcome, body={"name": "job-of-theirs"})))
    post.publish(post.outcome)
    assert (await post.answer).body == {"name": "job-of-ours"}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.views.waiters.NEW_PARTITIONS_SECONDS", 0.01)


@pytest.mark.usefixtures("often")
async def test_outcomes_in_partitions_added_since_the_start_are_known():
    """Found by use: 404 for all that had finished in an added partition, until the ingress was restarted."""
    identity = SubmissionId("/s", "1")
    submission = Submission(id=identity, has_own_id=True, body=BODY, received=0.0, user="john")
    done = outcome_record(Outcome.of(submission, fingerprint(BODY), "job-1"), "job-outcomes", 1, 0.0)
    question = f"GET /api/submissions/{identity.key} HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\n\r\n".encode()
    async with running() as ingress:
        assert (await ingress.raw(question)).status == 404
        ingress.topic.past.append([done])
        async with asyncio.timeout(5):
            while (found := await ingress.raw(question)).status != 200:
                assert found.status == 404
        assert found.body == {"name": "job-1"}
        assert ingress.sample("remembered_submissions") is not None

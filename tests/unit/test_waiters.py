"""Who gets which outcome: the request that waits for that submission, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.submission.identity import SubmissionId, fingerprint
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import Record, read_submission
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
    post.publish(Outcome.of(post.submission, fingerprint(BODY), id_reused("older"), conflict=True))
    assert (await post.answer).status == 422


@pytest.mark.parametrize(
    "forge",
    [
        # who can read the topic knows the correlation id, and may produce a submission of its own with it
        lambda outcome: replace(outcome, id=SubmissionId("/topics/job-submissions", "forged")),
        # or one under the same identity with another body, which is refused as a reuse
        lambda outcome: replace(outcome, fingerprint="0" * 64, conflict=True),
    ],
)
async def test_an_outcome_of_another_submission_with_its_correlation_id_is_not_its_own(post, forge):
    post.publish(forge(replace(post.outcome, body={"name": "job-of-theirs"})))
    post.publish(post.outcome)
    assert (await post.answer).body == {"name": "job-of-ours"}

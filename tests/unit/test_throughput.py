"""How many submissions wait and are done, as `GET /api/v1/throughput` tells it."""

from service.submission import rejections
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord, Record, read_submission
from service.views.throughput import SAMPLES
from tests.unit.running_ingress import RunningIngress, running

PATH = "/api/v1/throughput"
SUBMISSION = read_submission(Record("submissions", 0, 7, 0, None, b"{}", ()))
FINGERPRINT = "0" * 64


def published(ingress: RunningIngress, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        ingress.topic.publish(outcome_record(outcome, "outcomes", 0, 1.0))


async def told(ingress: RunningIngress) -> list[tuple[int | None, int, int]]:
    answer = await ingress.get(PATH)
    assert (answer.status, answer.body["seconds"]) == (200, 5)
    return [(sample["waiting"], sample["done"], sample["refused"]) for sample in answer.body["data"]]


async def test_each_sample_has_what_waits_and_what_was_done_and_refused_since_the_one_before():
    async with running() as ingress:
        throughput, taken = ingress.ingress.throughput, rejections.name_taken("the name is taken")
        assert await told(ingress) == []
        ingress.topic.behind = 12
        await throughput.sample()
        done, refused = Outcome.of(SUBMISSION, FINGERPRINT, "train"), Outcome.of(SUBMISSION, FINGERPRINT, taken)
        published(ingress, done, refused, done)
        ingress.topic.behind = 9
        await throughput.sample()
        ingress.topic.behind = None
        await throughput.sample()
        assert await told(ingress) == [(12, 0, 0), (9, 2, 1), (None, 0, 0)]


async def test_what_decides_nothing_about_a_submission_is_not_counted():
    async with running() as ingress:
        published(ingress, Outcome.of(SUBMISSION, FINGERPRINT, "train", is_aside=True))
        ingress.topic.publish(NewRecord("outcomes", 0, b"clock", None, ()))
        ingress.topic.publish(NewRecord("outcomes", 0, None, b"{}", (("status", b"200"),)))
        await ingress.ingress.throughput.sample()
        assert await told(ingress) == [(0, 0, 0)]


async def test_the_samples_are_those_of_ten_minutes():
    async with running() as ingress:
        for number in range(SAMPLES + 3):
            ingress.topic.behind = number
            await ingress.ingress.throughput.sample()
        assert [waiting for waiting, *_ in await told(ingress)] == list(range(3, SAMPLES + 3))

"""`KafkaSubmitter` on a producer and a consumer in memory: which outcome it takes, and what ends its waits."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from job_submission import KafkaSubmitter, ServiceUnreachable, TimedOut
from job_submission import kafka as module
from job_submission.kafka import submission_key
from job_submission.reasons import Unsigned

WRITTEN = SimpleNamespace(topic="job-submissions", partition=3, offset=7, timestamp=99)
OWN = submission_key("/tests", "one")


UNSIGNED = {"status": 401, "reason": "Unsigned", "message": "no"}


def outcome(key: str, correlation_id: bytes | None, body: dict[str, Any]) -> SimpleNamespace:
    headers = [("correlation-id", correlation_id), ("status", str(body.get("status", 200)).encode())]
    return SimpleNamespace(key=key.encode(), headers=headers, value=json.dumps(body).encode())


class Kafka:
    """Both ends: `answers` makes the outcomes of a correlation id, and an exception among them ends the reading."""

    def __init__(self, *answers: Any, is_up: bool = True) -> None:
        self.answers = answers
        self.is_up = is_up
        self.outcomes: asyncio.Queue[Any] = asyncio.Queue()

    async def send_and_wait(self, _topic: str, _value: bytes, *, key: bytes, headers: list[tuple[str, bytes]]) -> Any:
        if not self.is_up:
            await asyncio.Event().wait()
        for answer in self.answers:
            self.outcomes.put_nowait(answer(dict(headers)["correlation-id"]) if callable(answer) else answer)
        return WRITTEN

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    def assign(self, _: object) -> None: ...

    async def seek_to_end(self, *_: object) -> None: ...

    async def position(self, _: object) -> int:
        return 0

    async def start(self) -> None: ...

    async def stop(self) -> None:
        if not self.is_up:
            await asyncio.Event().wait()

    async def getmany(self, *, timeout_ms: int) -> dict[Any, list[Any]]:
        found = await self.outcomes.get()
        if isinstance(found, Exception):
            raise found
        return {"partition": [found]}


async def submitted(kafka: Kafka, timeout: float = 20.0) -> str:
    submitter = KafkaSubmitter("127.0.0.1:1", source="/tests")
    await submitter._producer.stop()
    await submitter._consumer.stop()
    submitter._producer = kafka  # type: ignore[assignment] # what of it is called
    submitter._consumer = kafka if kafka.is_up else Kafka()  # type: ignore[assignment] # likewise
    async with submitter:
        found = await submitter.submit(idempotency_key="one", project="team-a", image="x", timeout=timeout)
    return found.name


async def test_the_outcome_is_that_of_the_submission_and_not_one_that_somebody_has_addressed_to_it():
    forged = submission_key("/topics/job-submissions/partitions/3", "8-100")
    kafka = Kafka(lambda c: outcome(forged, c, UNSIGNED), lambda c: outcome(OWN, c, {"name": "train"}))
    assert await submitted(kafka) == "train"


async def test_a_record_that_is_not_believed_is_answered_under_its_place():
    place = submission_key("/topics/job-submissions/partitions/3", "7-99")
    with pytest.raises(Unsigned):
        await submitted(Kafka(lambda c: outcome(place, c, UNSIGNED)))


async def test_an_outcome_that_does_not_decide_about_the_id_is_one_of_it():
    assert await submitted(Kafka(lambda c: outcome(f"{OWN}-{'0' * 64}", c, {"name": "train"}))) == "train"


async def test_an_outcome_of_somebody_without_a_correlation_id_is_passed_over():
    kafka = Kafka(outcome("x", None, {"name": "other"}), lambda c: outcome(OWN, c, {"name": "train"}))
    assert await submitted(kafka) == "train"


async def test_what_ends_the_reading_of_outcomes_is_told_to_who_waits_for_one():
    with pytest.raises(ServiceUnreachable, match="job-outcomes") as error:
        await submitted(Kafka(TopicAuthorizationFailedError("job-outcomes")))
    assert isinstance(error.value.__cause__, TopicAuthorizationFailedError)
    assert (error.value.idempotency_key, error.value.submission) == ("one", OWN)


async def test_brokers_that_do_not_answer_hold_nobody_for_good(monkeypatch):
    monkeypatch.setattr(module, "ACKNOWLEDGE_SECONDS", 0.01)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    with pytest.raises(TimedOut) as error:
        async with asyncio.timeout(5):
            await submitted(Kafka(is_up=False), timeout=0.01)
    assert (error.value.idempotency_key, error.value.submission) == ("one", OWN)

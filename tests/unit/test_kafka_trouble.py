"""An outage of Kafka is told once, however its tries fail and succeed side by side."""

import asyncio

from structlog.testing import capture_logs

from service.worker.kafka_trouble import KafkaTrouble

QUIET = 0.05


def told(logs: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["event"], line.get("reason")) for line in logs]


async def until_told(logs: list[dict[str, object]], count: int) -> None:
    async with asyncio.timeout(10):
        while len(logs) < count:
            await asyncio.sleep(QUIET / 10)


async def test_partitions_that_answer_beside_others_that_do_not_are_one_outage() -> None:
    trouble = KafkaTrouble(QUIET)
    with capture_logs() as logs:
        trouble.begin("the leader is gone")
        for _ in range(50):
            trouble.begin("the leader is gone")
            trouble.end()
        trouble.end()
        assert told(logs) == [("kafka-unavailable", "the leader is gone")]
        await until_told(logs, 2)
    assert told(logs) == [("kafka-unavailable", "the leader is gone"), ("kafka-back", None)]


async def test_one_that_fails_again_at_once_is_the_same_outage() -> None:
    trouble = KafkaTrouble(quiet_seconds=60)
    with capture_logs() as logs:
        for _ in range(50):
            trouble.begin("no answer")
            trouble.end()
            await asyncio.sleep(0)
    assert told(logs) == [("kafka-unavailable", "no answer")]


async def test_the_next_outage_is_told_anew() -> None:
    trouble = KafkaTrouble(QUIET)
    with capture_logs() as logs:
        for number in range(2):
            trouble.begin(f"outage {number}")
            trouble.end()
            await until_told(logs, 2 * number + 2)
    assert told(logs) == [
        ("kafka-unavailable", "outage 0"),
        ("kafka-back", None),
        ("kafka-unavailable", "outage 1"),
        ("kafka-back", None),
    ]

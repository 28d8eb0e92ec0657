"""`job-submission dead-letters list | show | replay`: what could not be handled, and its way back.

A dead letter is named by its place, `<partition>-<offset>`. Replaying produces the record again with its key, value,
headers and identity; the letter stays, and replaying it twice still makes one Job at the most.
"""

import sys
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from typing import Any

import orjson

from service.broker import BrokerUnavailable, DeadLetterLog, Producer, RecordTooLarge
from service.errors import UnreadableRecord
from service.settings import Settings
from service.submission.dead_letters import read_dead_letter, replayed_record
from service.submission.records import Record
from service.telemetry.logs import escape
from service.telemetry.metrics import Metrics


async def dead_letters(settings: Settings, action: str, places: Collection[str]) -> int:
    """Do `action` with the dead letters at `places`, all of them where none is named; return the exit code.

    0: done, 1: Kafka did not answer or a place is unknown.
    """
    letters = DeadLetterLog(settings.kafka, settings.topics)
    missing = set(places)
    try:
        async for record in _chosen(letters, places):
            missing.discard(_place(record))
            if action == "list":
                print(_line(record))
            elif action == "show":
                sys.stdout.buffer.write(orjson.dumps(_everything(record), option=orjson.OPT_INDENT_2) + b"\n")
            else:
                await _replay(settings, record)
    except (BrokerUnavailable, RecordTooLarge) as error:
        print(f"job-submission: Kafka: {error}", file=sys.stderr)
        return 1
    finally:
        await letters.stop()
    for place in sorted(missing):
        print(f"job-submission: there is no dead letter {place}", file=sys.stderr)
    return 1 if missing else 0


async def _chosen(letters: DeadLetterLog, places: Collection[str]) -> AsyncIterator[Record]:
    async for record in letters.scan():
        if not places or _place(record) in places:
            yield record


async def _replay(settings: Settings, record: Record) -> None:
    try:
        again = replayed_record(record)
    except UnreadableRecord as error:
        print(f"{_place(record)} left alone: {error}")
        return
    producer = Producer(settings.kafka, Metrics())
    await producer.start()
    try:
        written = await producer.send(again)
    finally:
        await producer.stop()
    print(f"{_place(record)} replayed to {again.topic} {written.partition}-{written.offset}")


def _place(record: Record) -> str:
    return f"{record.partition}-{record.offset}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _line(record: Record) -> str:
    try:
        letter = read_dead_letter(record)
    except UnreadableRecord as error:
        return f"{_place(record)}  {_time(record.timestamp)}  {error}"
    origin = f"{letter.original.topic} {_place(letter.original)}"
    reason = escape(f"{letter.error_class}: {letter.message}")[:160]
    return f"{_place(record)}  {_time(record.timestamp)}  {origin}  tried {letter.attempts}x  {reason}"


def _everything(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {"place": _place(record), "time": _time(record.timestamp)}
    try:
        letter = read_dead_letter(record)
    except UnreadableRecord as error:
        original = record
        shown["error"] = str(error)
    else:
        original = letter.original
        shown |= {
            "error": f"{letter.error_class}: {letter.message}",
            "attempts": letter.attempts,
            "original": {
                "topic": original.topic,
                "partition": original.partition,
                "offset": original.offset,
                "time": _time(original.timestamp),
            },
        }
    return shown | {
        "key": _text(original.key),
        "headers": [[name, _text(value)] for name, value in original.headers],
        "value": _text(original.value),
    }


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("utf-8", "backslashreplace")

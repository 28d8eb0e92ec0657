"""`job-submission dead-letters list | show | replay`: what could not be handled, and how to send it again.

A dead letter is named `<partition>-<offset>`. Replaying produces the record again with its key, value, headers and
identity; the letter stays, and replaying it twice still makes one Job at the most.
"""

import sys
from collections.abc import Collection
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


async def dead_letters(settings: Settings, action: str, names: Collection[str]) -> int:
    """Do `action` with the dead letters of these names, all of them where none is given; return the exit code.

    0: done, 1: Kafka did not answer or a name is unknown.
    """
    letters = DeadLetterLog(settings.kafka, settings.topics)
    producer = Producer(settings.kafka, Metrics())
    unseen = set(names)
    try:
        if action == "replay":
            await producer.start()
        async for letter in letters.scan():
            name = _name(letter)
            if names and name not in names:
                continue
            unseen.discard(name)
            if action == "list":
                print(_line(letter))
            elif action == "show":
                sys.stdout.buffer.write(orjson.dumps(_everything(letter), option=orjson.OPT_INDENT_2) + b"\n")
            else:
                print(f"{name} {await _replay(producer, letter)}")
    except (BrokerUnavailable, RecordTooLarge) as error:
        print(f"job-submission: Kafka: {error}", file=sys.stderr)
        return 1
    finally:
        await producer.stop()
        await letters.stop()
    for name in sorted(unseen):
        print(f"job-submission: there is no dead letter {name}", file=sys.stderr)
    return 1 if unseen else 0


async def _replay(producer: Producer, letter: Record) -> str:
    """Produce a dead letter's submission again and say what was done; one that is none of ours is left alone."""
    try:
        submission = replayed_record(letter)
    except UnreadableRecord as error:
        return f"left alone: {error}"
    written = await producer.send(submission)
    return f"replayed to {submission.topic} {written.partition}-{written.offset}"


def _name(record: Record) -> str:
    return f"{record.partition}-{record.offset}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _line(record: Record) -> str:
    try:
        letter = read_dead_letter(record)
    except UnreadableRecord as error:
        return f"{_name(record)}  {_time(record.timestamp)}  {error}"
    origin = f"{letter.original.topic} {_name(letter.original)}"
    reason = escape(f"{letter.error_class}: {letter.message}")[:160]
    return f"{_name(record)}  {_time(record.timestamp)}  {origin}  tried {letter.attempts}x  {reason}"


def _everything(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {"place": _name(record), "time": _time(record.timestamp)}
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

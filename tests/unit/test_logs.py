"""The lines of the log."""

import json
import re
from typing import Any

import pytest
import structlog

from service.telemetry.logs import _as_json, _stamped

TIME = re.compile(r'"time":"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"')


def line_of(method: str, event: dict[str, Any]) -> str:
    """Return a line as the service writes it."""
    return _as_json(None, method, _stamped(None, method, event))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"event": "drained"}, '{"level":"info","time":"T","action":"drained"}'),
        (
            {"name": "job-a", "reason": None, "status": 200, "seconds": 0.25, "event": "outcome"},
            '{"name":"job-a","status":200,"seconds":0.25,"level":"info","time":"T","action":"outcome"}',
        ),
        (
            {"user": 'jo\nhn\x1b[2J "x"', "event": "outcome"},
            r'{"user":"jo\\nhn\\x1b[2J \"x\"","level":"info","time":"T","action":"outcome"}',
        ),
        ({"partitions": [1, 2], "event": "a\tb"}, r'{"partitions":[1,2],"level":"info","time":"T","action":"a\\tb"}'),
        ({"large": 2**70, "event": "x"}, f'{{"large": {2**70}, "level": "info", "time": "T", "action": "x"}}'),
        ({"what": {1}, "event": "x"}, '{"what":"{1}","level":"info","time":"T","action":"x"}'),
    ],
)
def test_a_line_has_its_fields_then_level_time_and_action_with_nothing_unprintable(event: dict[str, Any], line: str):
    written = re.sub(r'("time": ?)"[^"]*"', r'\1"T"', line_of("info", event))
    assert written == line


def test_the_time_is_utc_to_the_microsecond():
    assert TIME.search(line_of("info", {"event": "x"}))


def test_a_line_with_an_exception_has_its_traceback_on_one_line():
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        written = line_of("error", {"event": "record-failed", "offset": 7, "exc_info": error})
    assert "\n" not in written
    told = json.loads(written)
    assert list(told) == ["offset", "level", "time", "exception", "action"]
    assert told["exception"].endswith("ValueError: first\nsecond")
    assert (told["level"], told["action"], told["offset"]) == ("error", "record-failed", 7)


def test_a_line_is_the_one_that_the_processors_of_structlog_make():
    event = {"submission": "a" * 52, "user": "john", "project": None, "status": 200, "event": "outcome"}
    theirs: Any = dict(event)
    for processor in (
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        lambda _logger, _method, given: {key: value for key, value in given.items() if value is not None},
        structlog.processors.EventRenamer("action"),
    ):
        theirs = processor(None, "warning", theirs)
    ours = json.loads(line_of("warning", event))
    assert ours == {**theirs, "time": ours["time"]}
    assert list(ours) == list(theirs)

"""The log: one line an event on standard error, JSON for machines, readable on a terminal.

A line is an `action` from a fixed vocabulary plus fields; `log.info("outcome", name=..., seconds=...)` puts the action
into the field `action`. Text of strangers (names, messages, header values) is escaped, so that nobody can forge a line
or move the reader's cursor.
"""

import json
import logging
import sys
import time
from functools import lru_cache
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from service.settings import LogSettings
from service.telemetry.repetitions import Repetitions

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def escape(text: str) -> str:
    """Return `text` with control and other unprintable characters as backslash escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@lru_cache(2)
def _second(seconds: int) -> str:
    # kept for the lines of the same second: every job has one
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _stamped(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add level and time, in that order."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    event["level"] = method
    event["time"] = f"{_second(seconds)}.{rest // 1000:06d}Z"
    return event


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out what is not known and escape the rest."""
    return {
        key: escape(value) if isinstance(value, str) and not value.isprintable() and key != "exception" else value
        for key, value in event.items()
        if value is not None
    }


def _as_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    line = _printable(logger, method, event)
    if "exc_info" in line:
        line = structlog.processors.format_exc_info(logger, method, line)
    line["action"] = line.pop("event")
    try:
        return orjson.dumps(line, default=repr).decode()
    except orjson.JSONEncodeError:  # half a surrogate pair in a traceback, an integer beyond 64 bits
        return json.dumps(line, default=repr)


def configure(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging (libraries from `warning` on) for this process."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderers: list[Any] = [_printable, structlog.dev.ConsoleRenderer()] if console else [_as_json]
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[_stamped, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_stamped, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    handler.addFilter(_of_libraries)
    handler.addFilter(NotRepeated())
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _of_libraries(record: logging.LogRecord) -> bool:
    """Drop lines of libraries about what recovers by itself; a malformed request is one line, no traceback."""
    if record.name == "aiohttp.server" and record.exc_info and record.exc_info[0] is not None:
        if record.exc_info[0].__module__ == "aiohttp.http_exceptions":
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args, record.exc_info = "malformed-request", (), None
        return True
    text = record.getMessage()
    # whoever tried to find the brokers logs why that failed
    return "GroupCoordinatorNotAvailableError" not in text and not text.startswith('Unable connect to "')


class NotRepeated(logging.Filter):
    """Leaves out a library's line while one with the same text before its values was written a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._repetitions = Repetitions()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write the line; it then says how many like it were left out before it."""
        suppressed = self._repetitions.count((record.name, str(record.msg).partition("\n")[0]))
        if suppressed:
            record.msg, record.args = f"{record.getMessage()} (and {suppressed} more like it since the last one)", ()
        return suppressed is not None

"""The log: one line an event on standard error, JSON for machines, readable on a terminal.

A line is an `action` from a fixed vocabulary plus fields; `log.info("outcome", name=..., seconds=...)` puts the action
into the field `action`. Text of strangers (names, messages, header values) is escaped, so that nobody can forge a line
or move the reader's cursor.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from service.settings import LogSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def escape(text: str) -> str:
    """Return `text` with control and other unprintable characters as backslash escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _escape_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        key: escape(value) if isinstance(value, str) and key != "exception" else value for key, value in event.items()
    }


def configure(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging (libraries from `warning` on) for this process."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("action"),
            structlog.processors.JSONRenderer(),
        ]
    )
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _escape_values,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                structlog.stdlib.add_logger_name,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _escape_values, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)

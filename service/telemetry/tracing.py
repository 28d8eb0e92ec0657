"""Takes note of what is done for a submission, for a trace that its client has begun; off by default.

A submission is traced where its `traceparent` (W3C Trace Context) says that its trace is sampled. All its spans are
children of the client's, in whichever process they are made, so that records look the same with tracing and without.
"""

from typing import Literal, Protocol

from service.settings import FaultySettings, TracingSettings

Phase = Literal["received", "queued", "created", "answered"]
"""The POST until its answer, the wait on the topic, the work at Kubernetes, the writing of the outcome."""


class Tracing(Protocol):
    """Takes note of the phases of submissions."""

    def note(self, phase: Phase, traceparent: str | None, began: float, **attributes: str | int | None) -> None:
        """Note that a phase has ended now; `began` is in seconds since the epoch."""

    async def stop(self) -> None:
        """Send what is left."""


class Untraced:
    """Takes no note, see `Tracing`."""

    def note(self, phase: Phase, traceparent: str | None, began: float, **attributes: str | int | None) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


def open_tracing(settings: TracingSettings) -> Tracing:
    """Return what takes note, by the settings. Raises FaultySettings where the extra `tracing` is not installed."""
    if not settings.enabled:
        return Untraced()
    try:
        from service.telemetry import spans  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        missing = f"TRACING_ENABLED: {error.name} is missing: install job-submission[tracing]"
        raise FaultySettings([missing]) from None
    return spans.exporting()

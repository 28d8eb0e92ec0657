"""The only door to OpenTelemetry, whose SDK is the extra `tracing`: imported when tracing is on, and never before.

Where spans are sent, say OpenTelemetry's own variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`:
https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

import asyncio
import time
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__
from service.telemetry.logs import log
from service.telemetry.tracing import Phase

STOP_SECONDS: Final = 5.0
"""How long an end may take to send what is left."""

KINDS: Final[dict[Phase, SpanKind]] = {
    "received": SpanKind.SERVER,
    "queued": SpanKind.CONSUMER,
    "created": SpanKind.CLIENT,
    "answered": SpanKind.PRODUCER,
}


def exporting() -> "Spans":
    """Return spans that are sent in batches by OTLP over HTTP."""
    return Spans(BatchSpanProcessor(OTLPSpanExporter()))


class Spans:
    """Makes spans of the submissions whose trace is sampled, see `Tracing`."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF), resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("job-submission", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def note(self, phase: Phase, traceparent: str | None, began: float, **attributes: str | int | None) -> None:
        """See `Tracing`."""
        if traceparent is None:
            return
        span = self._tracer.start_span(
            phase,
            context=self._propagator.extract({"traceparent": traceparent}),
            kind=KINDS[phase],
            attributes={f"job_submission.{key}": value for key, value in attributes.items() if value is not None},
            start_time=int(began * 1e9),
        )
        span.end(int(max(began, time.time()) * 1e9))  # `began` may be by a broker's clock

    async def stop(self) -> None:
        """See `Tracing`; a collector that is away holds nothing up for long."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._provider.shutdown), STOP_SECONDS)
        except TimeoutError:
            log.warning("spans-lost")


def _resource() -> Resource:
    """Return who makes the spans: as `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say, if they do."""
    given = Resource.create({SERVICE_VERSION: __version__})
    is_named = not str(given.attributes[SERVICE_NAME]).startswith("unknown_service")  # the SDK's default
    return given if is_named else given.merge(Resource({SERVICE_NAME: "job-submission"}))

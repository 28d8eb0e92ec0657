"""Spans of submissions whose clients have begun a sampled trace, and of no others."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from service.settings import TracingSettings
from service.submission.records import Record
from service.telemetry.spans import Spans
from service.telemetry.tracing import Untraced, open_tracing
from tests.unit.running_ingress import running
from tests.unit.test_record_handler import NOW, PARTITION, World

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = (f"00-{TRACE}-{PARENT}-{flags}" for flags in ("01", "00"))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Spans:
    return Spans(SimpleSpanProcessor(exporter))


def shown(span: ReadableSpan) -> tuple[object, ...]:
    """What a span says, but for its own id and the submission's."""
    assert span.parent
    attributes = {
        name.removeprefix("job_submission."): value
        for name, value in (span.attributes or {}).items()
        if name != "job_submission.submission"
    }
    return span.name, span.kind, f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}", attributes


async def post_and_handle(spans: Spans, traceparent: str | None) -> None:
    """Send a POST, and handle the record it becomes."""
    lines = [] if traceparent is None else [f"traceparent: {traceparent}"]
    async with running(tracing=spans) as ingress:
        assert (await ingress.send("RA-USER: john", "Prefer: respond-async", *lines)).status == 202
        sent = await ingress.topic.next()
    world = World(tracing=spans)
    await world.handle(Record("in", PARTITION, 7, NOW, sent.key, sent.value, sent.headers))


async def test_each_phase_of_a_sampled_submission_is_a_child_of_the_clients_span(spans, exporter):
    await post_and_handle(spans, SAMPLED)
    assert [shown(span) for span in exporter.get_finished_spans()] == [
        ("received", SpanKind.SERVER, TRACE, PARENT, {"status_code": 202}),
        ("queued", SpanKind.CONSUMER, TRACE, PARENT, {"partition": PARTITION}),
        ("created", SpanKind.CLIENT, TRACE, PARENT, {"status": 200, "job": "job-1"}),
        ("answered", SpanKind.PRODUCER, TRACE, PARENT, {"status": 200}),
    ]
    keys = {(span.attributes or {})["job_submission.submission"] for span in exporter.get_finished_spans()}
    assert len(keys) == 1
    assert all(span.start_time <= span.end_time for span in exporter.get_finished_spans())


@pytest.mark.parametrize("traceparent", [None, UNSAMPLED, "nonsense", SAMPLED.replace(TRACE, "0" * 32)])
async def test_nothing_else_has_spans(traceparent, spans, exporter):
    await post_and_handle(spans, traceparent)
    assert exporter.get_finished_spans() == ()


async def test_a_refused_post_has_the_span_of_its_receipt_alone(spans, exporter):
    async with running(tracing=spans) as ingress:
        assert (await ingress.send(f"traceparent: {SAMPLED}")).status == 401
    assert [shown(span) for span in exporter.get_finished_spans()] == [
        ("received", SpanKind.SERVER, TRACE, PARENT, {"status_code": 401})
    ]


def test_the_resource_is_named_and_the_variables_of_opentelemetry_win(spans, exporter, monkeypatch):
    spans.note("queued", SAMPLED, 0.0)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "jobs-of-ours")
    Spans(SimpleSpanProcessor(exporter)).note("queued", SAMPLED, 0.0)
    names = [span.resource.attributes["service.name"] for span in exporter.get_finished_spans()]
    assert names == ["job-submission", "jobs-of-ours"]


async def test_a_clock_ahead_makes_no_span_that_ends_before_it_begins(spans, exporter):
    spans.note("queued", SAMPLED, 2**33)
    (span,) = exporter.get_finished_spans()
    assert span.start_time == span.end_time == 2**33 * 10**9
    await spans.stop()


def test_it_is_off_by_default_and_nothing_of_opentelemetry_is_loaded():
    assert isinstance(open_tracing(TracingSettings()), Untraced)
    program = "import service.__main__, sys; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_without_the_extra_it_says_what_to_install():
    program = """
import sys
sys.modules["opentelemetry"] = None
from service.__main__ import main
sys.exit(main(["all"]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"TRACING_ENABLED": "true"}, capture_output=True, timeout=60, check=False
    )
    said = b"job-submission: TRACING_ENABLED: opentelemetry.exporter is missing: install job-submission[tracing]\n"
    assert (ended.returncode, ended.stderr) == (2, said)

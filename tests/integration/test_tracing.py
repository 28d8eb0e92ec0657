"""Spans as a collector gets them, of a submission that passes through both roles."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from devstack.service import ServiceProcess

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_each_phase_of_a_submission_reaches_the_collector(environment, api, post):
    spans: list[tuple[str, str, str, str]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in sent.resource_spans:
                (name,) = (a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
                for scope in resource.scope_spans:
                    spans.extend((name, s.name, s.trace_id.hex(), s.parent_span_id.hex()) for s in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        apart = {
            name: f"{value}-traced" for name, value in environment.items() if name.startswith(("TOPICS", "CONSUMER"))
        }
        tracing = {
            "TRACING_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        }
        service = ServiceProcess("all", environment | apart | tracing).until_ready()
        try:
            traceparent = f"00-{TRACE}-{PARENT}-01"
            job = {"job": {"project": "team-a", "image": "quickstart"}}
            answer = await post(job, url=service.url, traceparent=traceparent)
            assert (answer.status, (await post(job, url=service.url)).status) == (200, 200)
        finally:
            assert await asyncio.to_thread(service.stop) == 0  # what is left is sent
        collector.shutdown()
    assert sorted(spans) == [
        ("job-submission", phase, TRACE, PARENT) for phase in ("answered", "created", "queued", "received")
    ]
    made = await api.job(answer.body["name"])
    assert made["metadata"]["annotations"]["job-submission.io/traceparent"] == traceparent

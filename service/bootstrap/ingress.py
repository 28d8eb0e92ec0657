"""The ingress put together: the HTTP API, what it knows of the topics, and who is let in."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass

from service.api.job_logs import JobLogs, LogSource, NoLogs
from service.api.server import Port, listening
from service.auth.access import Access
from service.bootstrap.shared import Shared
from service.broker import KafkaMonitor, OutcomeLog, TopicFollower
from service.http_ingress import HttpIngress
from service.lifecycle import cancel, ends_before
from service.log_server import remote_logs_of
from service.settings import FaultySettings, Settings
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.views.jobs import AT_ONCE, Jobs
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters


@dataclass(frozen=True, slots=True)
class Http:
    """What the ingress needs of the machine: taken first, so that a start ends at once where it is not to be had."""

    port: Port
    socket: socket.socket
    access: Access


def http_of(settings: Settings, metrics: Metrics) -> Http:
    """Read who is let in, and take the port. Raises FaultySettings, OSError where the port is taken."""
    http = settings.http
    if http.port and http.port == settings.probes.port:
        raise FaultySettings([f"HTTP_PORT: must be another port than METRICS_PORT, {http.port}"])
    access = Access.open(settings.access, settings.kube, metrics)
    port = Port("api", "HTTP_", http.host, http.port, http.max_connections, http.max_header_bytes)
    return Http(port, port.bind(), access)


async def run_ingress(
    shared: Shared, stopping: asyncio.Event, http: Http, monitor: KafkaMonitor, own_logs: LogSource | None
) -> None:
    """Answer requests until it is time to stop, and then those that are in progress."""
    settings, metrics, checks, producer = shared.settings, shared.metrics, shared.checks, shared.producer
    outcomes = OutcomeLog(settings.kafka, settings.topics, metrics)
    window = DuplicateWindow(outcomes, metrics)
    waiters = Waiters(outcomes, window)
    pending = PendingSubmissions(
        settings.kafka,
        settings.topics,
        settings.consumer.group,
        monitor.is_read,
        is_believed=settings.submission.signatures != "required",
    )
    job_events = TopicFollower(
        settings.kafka,
        settings.topics.job_events,
        metrics,
        client="job-events",
        from_beginning=True,
        at_once=AT_ONCE,
    )
    jobs = Jobs(job_events, settings.http.events_remembered, metrics)
    access = http.access
    remote_logs = None if own_logs else remote_logs_of(settings.job_logs)
    ingress = HttpIngress(
        settings,
        producer,
        waiters,
        window,
        pending,
        jobs,
        metrics,
        checks,
        access.verifier,
        access.authoriser,
        shared.tracing,
        JobLogs(own_logs or remote_logs or NoLogs(), settings.job_logs.max_streams),
        shared.signer,
        access.login,
    )
    checks["replies"] = lambda: waiters.ready
    checks["producer"] = lambda: producer.healthy
    checks["jobs"] = lambda: jobs.state
    checks.update(access.checks)
    work = (waiters.run(), jobs.run(), access.watch(), ingress.throughput.run())
    watches = [asyncio.create_task(each) for each in work]
    drain = settings.http.drain_seconds
    async with AsyncExitStack() as stack:
        stack.push_async_callback(access.close)
        if remote_logs is not None:
            stack.push_async_callback(remote_logs.close)
        stack.callback(window.close)
        stack.push_async_callback(outcomes.stop)
        stack.push_async_callback(pending.stop)
        stack.push_async_callback(job_events.stop)
        stack.push_async_callback(cancel, watches)
        access.tell()
        serving = listening(http.socket, http.port, ingress.app(), ingress.refusals.unrouted, metrics, drain)
        log.info("ingress-listening", port=await stack.enter_async_context(serving))
        await ends_before(stopping, *watches)
        ingress.end_streams()
        # late waiters get their 202 before the server would cut them off
        asyncio.get_running_loop().call_later(drain * 0.75, ingress.drain)

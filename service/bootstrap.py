"""The one place where the real parts meet: settings in, running roles out, and a clean end on SIGTERM.

Order of a start: probes first, so that Kubernetes can see a slow start for what it is; then the topics, then the parts
from the inside out. A part that dies takes the process with it, to be started again; an outage is no reason to die.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

from service.api import probes
from service.api.job_logs import JobLogs, LogSource, NoLogs
from service.api.server import Port, listening
from service.auth.access import Access
from service.broker import JobEventLog, KafkaMonitor, OutcomeLog, Producer, SubmissionSource, TopicFollower, Topics
from service.cluster.cluster import Cluster
from service.cluster.preflight import check_cluster
from service.consumer import Consumer
from service.http_ingress import HttpIngress
from service.kube import FaultyLogin, KubeApi, KubeReader, Login, PodLogs
from service.lifecycle import cancel, ends_before
from service.log_server import remote_logs_of, serving_logs
from service.settings import ConsumerSettings, FaultySettings, Settings, WatcherSettings
from service.settings.pod import own_namespace
from service.submission.identity import digest
from service.submitter import Submitter
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.open_files import OpenFiles
from service.telemetry.tracing import Tracing, open_tracing
from service.views.duplicates import DuplicateWindow
from service.views.jobs import AT_ONCE, Jobs
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters
from service.watcher import Watcher, watches
from service.worker.record_handler import RecordHandler

PROBE_CONNECTIONS = 64
"""Most connections of the probes' port: few ask, and each seldom."""

INSTANCE_DIGITS = 10
"""Digits in an instance id that stand for cluster, namespace and installation."""

Checks = dict[str, Callable[[], bool | str]]
MemberSettings = TypeVar("MemberSettings", ConsumerSettings, WatcherSettings)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all roles of a process share."""

    settings: Settings
    metrics: Metrics
    checks: Checks
    producer: Producer
    tracing: Tracing


@dataclass(frozen=True, slots=True)
class Http:
    """What the ingress needs of the machine: taken first, so that a start ends at once where it is not to be had."""

    port: Port
    socket: socket.socket
    access: Access


@dataclass(frozen=True, slots=True)
class Watching:
    """The watcher, and what it reads the cluster with."""

    reader: KubeReader
    watcher: Watcher


async def serve(settings: Settings, roles: frozenset[str]) -> None:
    """Run `roles` (`ingress`, `consumer`, `watcher`) until SIGTERM or SIGINT, finish what is in progress and return.

    Raises what ended a part that should not have ended, FaultySettings where a file that they name is faulty, OSError
    where a port is taken.
    """
    metrics = Metrics()
    tracing = open_tracing(settings.tracing)
    login = _login(settings) if roles & {"consumer", "watcher"} else None
    http = _http(settings, metrics) if "ingress" in roles else None
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    checks: Checks = {"running": lambda: not stopping.is_set()}
    port = Port(
        "probes",
        "METRICS_",
        settings.probes.host,
        settings.probes.port,
        PROBE_CONNECTIONS,
        settings.http.max_header_bytes,
    )
    async with AsyncExitStack() as stack:
        files = OpenFiles(metrics.open_files_left.set)
        stack.callback(files.close)
        stack.push_async_callback(cancel, [asyncio.create_task(files.watch())])
        checks["files"] = lambda: not files.are_short
        serving = listening(port.bind(), port, probes.app(metrics, checks), probes.refuse, metrics, files=files)
        log.info("probes-listening", port=await stack.enter_async_context(serving))
        checks["started"] = lambda: False
        shared = Shared(settings, metrics, checks, Producer(settings.kafka, metrics), tracing)
        try:
            if await _unless(stopping, _start(shared, roles)):
                del checks["started"]
                await _run(shared, stopping, http, login, roles)
        finally:
            await shared.producer.stop()
            await tracing.stop()
    log.info("stopped")


async def _unless(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do `work` and return True, or give it up and return False when it is time to stop."""
    task = asyncio.create_task(work)
    try:
        return await ends_before(stopping, task)
    finally:
        task.cancel()


async def check_topics(settings: Settings, *, job_events: bool) -> bool:
    """Make the topics that are missing, log what is wrong, and tell whether all is well enough to keep the promises."""
    return await Topics(settings.kafka, settings.topics, job_events=job_events).check()


async def _start(shared: Shared, roles: frozenset[str]) -> None:
    await check_topics(shared.settings, job_events="watcher" in roles)
    await shared.producer.start()


async def _run(
    shared: Shared, stopping: asyncio.Event, http: Http | None, login: Login | None, roles: frozenset[str]
) -> None:
    """Run the roles side by side; the others stop after the ingress, whose last requests they may have to answer."""
    drained = asyncio.Event()
    settings, metrics, checks = shared.settings, shared.metrics, shared.checks
    topics = Topics(settings.kafka, settings.topics, job_events="watcher" in roles)
    monitor = KafkaMonitor(settings.kafka, settings.topics, topics, settings.consumer.group, metrics)
    checks["kafka"] = lambda: monitor.ready
    monitoring = asyncio.create_task(monitor.run())
    try:
        async with asyncio.TaskGroup() as running:
            if login is not None and "consumer" in roles:
                running.create_task(_consumer(shared, drained, login))
            watching = _watching(shared) if login is not None and "watcher" in roles else None
            if watching is not None:
                running.create_task(_watcher(shared, drained, watching))
            if http is not None:
                await _ingress(shared, stopping, http, monitor, watching.watcher.logs if watching else None)
            else:
                await stopping.wait()
            drained.set()
    except BaseExceptionGroup as ended:
        raise ended.exceptions[0] from None  # one is enough to end with, and says more than a group
    finally:
        await cancel([monitoring])


def _http(settings: Settings, metrics: Metrics) -> Http:
    """Read who is let in, and take the port. Raises FaultySettings, OSError where the port is taken."""
    http = settings.http
    if http.port and http.port == settings.probes.port:
        raise FaultySettings([f"HTTP_PORT: must be another port than METRICS_PORT, {http.port}"])
    access = Access.open(settings.access, settings.kube, metrics)
    port = Port("api", "HTTP_", http.host, http.port, http.max_connections, http.max_header_bytes)
    return Http(port, port.bind(), access)


def _login(settings: Settings) -> Login:
    """Read how to log in to Kubernetes. Raises FaultySettings."""
    try:
        return Login.of(settings.kube)
    except FaultyLogin as error:
        raise FaultySettings([str(error)]) from None


async def _ingress(
    shared: Shared, stopping: asyncio.Event, http: Http, monitor: KafkaMonitor, own_logs: LogSource | None
) -> None:
    settings, metrics, checks, producer = shared.settings, shared.metrics, shared.checks, shared.producer
    outcomes = OutcomeLog(settings.kafka, settings.topics, metrics)
    window = DuplicateWindow(outcomes, metrics)
    waiters = Waiters(outcomes, window)
    pending = PendingSubmissions(settings.kafka, settings.topics, settings.consumer.group, monitor.is_read)
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
    )
    checks["replies"] = lambda: waiters.ready
    checks["producer"] = lambda: producer.healthy
    checks["jobs"] = lambda: jobs.state
    checks.update(access.checks)
    watches = [asyncio.create_task(work) for work in (waiters.run(), jobs.run(), access.watch())]
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


async def _consumer(shared: Shared, stopping: asyncio.Event, login: Login) -> None:
    settings, metrics, checks, producer = shared.settings, shared.metrics, shared.checks, shared.producer
    async with AsyncExitStack() as stack:
        api = KubeApi(login, settings.kube, metrics)
        stack.push_async_callback(api.close)
        outcomes = OutcomeLog(settings.kafka, settings.topics, metrics)
        stack.push_async_callback(outcomes.stop)
        window = DuplicateWindow(outcomes, metrics)
        stack.callback(window.close)
        cluster = Cluster.build(api, settings.kube, settings.consumer.probe_interval_seconds, metrics)
        submitter = Submitter(cluster, settings.limits, settings.consumer.submission_deadline_seconds)
        limit = settings.submission.max_body_bytes
        handler = RecordHandler(
            producer, window, submitter, settings.topics, settings.consumer, limit, metrics, shared.tracing
        )
        member = _member(settings.consumer, settings.kube.installation, login)
        source = SubmissionSource(settings.kafka, settings.topics, member, metrics)
        consumer = Consumer(source, window, handler, settings.consumer, limit, metrics, trouble=lambda: cluster.trouble)
        checks["consumer"] = lambda: consumer.ready
        checks["kubernetes"] = lambda: cluster.state
        checking = check_cluster(api, settings.kube, settings.consumer.probe_interval_seconds)
        watches = [asyncio.create_task(watch) for watch in (cluster.watch(), checking)]
        stack.push_async_callback(cancel, watches)
        running = asyncio.create_task(consumer.run())
        stack.push_async_callback(cancel, [running])
        await ends_before(stopping, running)
        consumer.stop()
        await running


def _member(settings: MemberSettings, installation: str, login: Login) -> MemberSettings:
    """Return settings with an instance id that no other installation on the same Kafka has.

    Two releases of one name, for staging and production say, have pods of the same names.
    """
    if settings.instance_id is None:
        return settings
    where = digest(login.cluster_id, own_namespace() or "", installation).hex()[:INSTANCE_DIGITS]
    return settings.model_copy(update={"instance_id": f"{settings.instance_id}.{where}"})


def _watching(shared: Shared) -> Watching:
    """Put the watcher together; nothing is asked yet. Raises FaultySettings."""
    settings, metrics = shared.settings, shared.metrics
    login = _login(settings)  # of its own: the consumer's ends with its client
    reader = KubeReader(login, settings.kube.request_timeout_seconds, metrics)
    namespaces = sorted(settings.watcher.namespaces) or [""]
    seen = watches(reader, settings.kube.scheduler_profile, namespaces)
    member = _member(settings.watcher, settings.kube.installation, login)
    events = JobEventLog(settings.kafka, settings.topics.job_events, member)
    installation, logs = settings.kube.installation, PodLogs(reader)
    watcher = Watcher(seen, events, shared.producer, settings.watcher, installation, logs, metrics)
    return Watching(reader, watcher)


async def _watcher(shared: Shared, stopping: asyncio.Event, watching: Watching) -> None:
    settings, watcher = shared.settings, watching.watcher
    async with AsyncExitStack() as stack:
        stack.push_async_callback(watching.reader.close)
        shared.checks["watcher"] = lambda: watcher.ready
        if settings.job_logs.token_file is not None:
            await stack.enter_async_context(serving_logs(watcher.logs, settings, shared.metrics))
        running = asyncio.create_task(watcher.run())
        stack.push_async_callback(cancel, [running])
        await ends_before(stopping, running)

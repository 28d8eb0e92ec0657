"""The one place where the real parts meet: settings in, running roles out, and a clean end on SIGTERM.

Order of a start: probes first, so that Kubernetes can see a slow start for what it is; then the topics, then the parts
from the inside out. A part that dies takes the process with it, to be started again; an outage is no reason to die.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from service.api import probes
from service.auth.tokens import TokensFile
from service.broker import OutcomeLog, Producer, SubmissionSource, Topics
from service.cluster.cluster import Cluster
from service.consumer import Consumer
from service.http_ingress import HttpIngress
from service.kube import ApiError, ApiUnreachable, KubeApi, missing_rights
from service.lifecycle import cancel, ends_before
from service.settings import Settings
from service.submission.identity import namespace_of
from service.submitter import Submitter
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters
from service.worker.record_handler import RecordHandler

LISTEN_BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75
"""How long a connection may be open without a whole request; proxies in front give an idle one up before (60 s)."""


Checks = dict[str, Callable[[], bool]]


async def serve(settings: Settings, *, ingress: bool, consumer: bool) -> None:
    """Run the roles until SIGTERM or SIGINT, then finish what is in progress and return.

    Raises what ended a part that should not have ended, OSError where a port is taken.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    metrics = Metrics()
    checks: Checks = {"running": lambda: not stopping.is_set()}
    async with listening(probes.app(metrics, checks), settings.probes.host, settings.probes.port) as port:
        log.info("probes-listening", port=port)
        checks["started"] = lambda: False
        producer = Producer(settings.kafka, metrics)
        try:
            if await _unless(stopping, _start(settings, producer)):
                del checks["started"]
                await _run(settings, metrics, checks, producer, stopping, ingress=ingress, consumer=consumer)
        finally:
            await producer.stop()
    log.info("stopped")


async def _unless(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do `work` and return True, or give it up and return False when it is time to stop."""
    task = asyncio.create_task(work)
    try:
        return await ends_before(stopping, task)
    finally:
        task.cancel()


async def check_topics(settings: Settings) -> bool:
    """Make the topics that are missing, log what is wrong, and tell whether all is well enough to keep the promises."""
    complaints = await Topics(settings.kafka, settings.topics).ensure()
    for complaint in complaints:
        tell = log.error if complaint.severity == "fault" else log.info
        tell("topic-complaint", severity=complaint.severity, complaint=complaint.text)
    return all(complaint.severity != "fault" for complaint in complaints)


async def _start(settings: Settings, producer: Producer) -> None:
    await check_topics(settings)
    await producer.start()


async def _run(
    settings: Settings,
    metrics: Metrics,
    checks: Checks,
    producer: Producer,
    stopping: asyncio.Event,
    *,
    ingress: bool,
    consumer: bool,
) -> None:
    """Run both roles side by side; the consumer stops after the ingress, whose last requests it may have to answer."""
    drained = asyncio.Event()
    async with asyncio.TaskGroup() as roles:
        if consumer:
            roles.create_task(_consumer(settings, metrics, checks, producer, drained))
        if ingress:
            await _ingress(settings, metrics, checks, producer, stopping)
        else:
            await stopping.wait()
        drained.set()


async def _ingress(
    settings: Settings, metrics: Metrics, checks: Checks, producer: Producer, stopping: asyncio.Event
) -> None:
    outcomes = OutcomeLog(settings.kafka, settings.topics, metrics)
    window = DuplicateWindow(outcomes, settings.topics.duplicate_window_seconds)
    waiters = Waiters(outcomes, window)
    pending = PendingSubmissions(settings.kafka, settings.topics, settings.consumer.group)
    tokens = TokensFile(settings.http.tokens_file) if settings.http.tokens_file else lambda: None
    ingress = HttpIngress(settings, producer, waiters, window, pending, metrics, tokens)
    checks["replies"] = lambda: waiters.ready
    checks["producer"] = lambda: producer.healthy
    drain = settings.http.drain_seconds
    async with AsyncExitStack() as stack:
        stack.callback(window.close)
        stack.push_async_callback(outcomes.stop)
        stack.push_async_callback(pending.stop)
        following = asyncio.create_task(waiters.run())
        stack.push_async_callback(cancel, [following])
        port = await stack.enter_async_context(listening(ingress.app(), settings.http.host, settings.http.port, drain))
        log.info("ingress-listening", port=port)
        await ends_before(stopping, following)
        # late waiters get their 202 before the server would cut them off
        asyncio.get_running_loop().call_later(drain * 0.75, ingress.drain)


async def _consumer(
    settings: Settings, metrics: Metrics, checks: Checks, producer: Producer, stopping: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        api = await KubeApi.connect(settings.kube, metrics)
        stack.push_async_callback(api.close)
        outcomes = OutcomeLog(settings.kafka, settings.topics, metrics)
        stack.push_async_callback(outcomes.stop)
        window = DuplicateWindow(outcomes, settings.topics.duplicate_window_seconds)
        stack.callback(window.close)
        cluster = Cluster.build(api, settings.kube, settings.consumer.probe_interval_seconds, metrics)
        submitter = Submitter(cluster, settings.limits, settings.consumer.submission_deadline_seconds)
        limit = settings.http.max_body_bytes
        handler = RecordHandler(producer, window, submitter, settings.topics, settings.consumer, limit, metrics)
        source = SubmissionSource(settings.kafka, settings.topics, settings.consumer, metrics)
        consumer = Consumer(source, window, handler, settings.consumer, metrics)
        checks["consumer"] = lambda: consumer.ready
        watches = [asyncio.create_task(watch) for watch in (cluster.watch(), _check_rights(api, settings))]
        stack.push_async_callback(cancel, watches)
        running = asyncio.create_task(consumer.run())
        stack.push_async_callback(cancel, [running])
        await ends_before(stopping, running)
        consumer.stop()
        await running


async def _check_rights(api: KubeApi, settings: Settings) -> None:
    """Say at once everything the service is not allowed to do; only where the API server does not answer, later."""
    template = settings.kube.namespace_template
    namespaces = [namespace_of(project, template) for project in settings.kube.projects]
    while True:
        try:
            for complaint in await missing_rights(api, namespaces):
                log.error("right-missing", complaint=complaint)
        except ApiUnreachable:
            await asyncio.sleep(settings.consumer.probe_interval_seconds)
        except ApiError as error:
            log.warning("rights-not-checked", reason=str(error))
            return
        else:
            return


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int, drain_seconds: float = 1) -> AsyncIterator[int]:
    """Serve `app` while the block runs and give the port; then stop accepting and let requests in progress end."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain_seconds, keepalive_timeout=KEEP_ALIVE_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=LISTEN_BACKLOG)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()

"""One process: what its roles share is started before them and ended after them.

Order of a start: probes first, so that Kubernetes can see a slow start for what it is; then the topics, then the parts
from the inside out. A part that dies takes the process with it, to be started again; an outage is no reason to die.
"""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Final

from service.api import probes
from service.api.server import Port, listening
from service.auth.signatures import open_signatures, open_signer
from service.bootstrap.consumer import run_consumer
from service.bootstrap.ingress import Http, http_of, run_ingress
from service.bootstrap.shared import Checks, Shared, login_of
from service.bootstrap.watcher import run_watcher, watching_of
from service.broker import KafkaMonitor, Producer, Topics
from service.kube import Login
from service.lifecycle import cancel, ends_before
from service.settings import Settings
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.open_files import OpenFiles
from service.telemetry.tracing import open_tracing

PROBE_CONNECTIONS: Final = 64
"""Most connections of the probes' port: few ask, and each seldom."""


async def serve(settings: Settings, roles: frozenset[str]) -> None:
    """Run `roles` (`ingress`, `consumer`, `watcher`) until SIGTERM or SIGINT, finish what is in progress and return.

    Raises what ended a part that should not have ended, FaultySettings where a file that they name is faulty, OSError
    where a port is taken.
    """
    metrics = Metrics()
    tracing = open_tracing(settings.tracing)
    login = login_of(settings) if roles & {"consumer", "watcher"} else None
    http = http_of(settings, metrics) if "ingress" in roles else None
    signer = open_signer(settings.submission, metrics) if roles & {"ingress", "consumer"} else None
    signatures = open_signatures(settings.submission, signer, metrics) if "consumer" in roles else None
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
        for part in (signer, signatures):
            if part is not None:
                checks[part.name] = part.can_be_used
                stack.push_async_callback(cancel, [asyncio.create_task(part.file.watch())])
        serving = listening(port.bind(), port, probes.app(metrics, checks), probes.refuse, metrics, files=files)
        log.info("probes-listening", port=await stack.enter_async_context(serving))
        checks["started"] = lambda: False
        shared = Shared(settings, metrics, checks, Producer(settings.kafka, metrics), tracing, signer, signatures)
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
                running.create_task(run_consumer(shared, drained, login))
            watching = watching_of(shared) if login is not None and "watcher" in roles else None
            if watching is not None:
                running.create_task(run_watcher(shared, drained, watching))
            if http is not None:
                await run_ingress(shared, stopping, http, monitor, watching.watcher.logs if watching else None)
            else:
                await stopping.wait()
            drained.set()
    except BaseExceptionGroup as ended:
        raise ended.exceptions[0] from None  # one is enough to end with, and says more than a group
    finally:
        await cancel([monitoring])

"""The watcher put together: what it reads of the cluster, the events it writes, and the logs it serves."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from service.bootstrap.shared import Shared, login_of, member_of
from service.broker import JobEventLog
from service.kube import KubeReader, PodLogs
from service.lifecycle import cancel, ends_before
from service.log_server import serving_logs
from service.watcher import Watcher, watches


@dataclass(frozen=True, slots=True)
class Watching:
    """The watcher, and what it reads the cluster with."""

    reader: KubeReader
    watcher: Watcher


def watching_of(shared: Shared) -> Watching:
    """Put the watcher together; nothing is asked yet. Raises FaultySettings."""
    settings, metrics = shared.settings, shared.metrics
    login = login_of(settings)  # of its own: the consumer's ends with its client
    reader = KubeReader(login, settings.kube.request_timeout_seconds, metrics)
    namespaces = sorted(settings.watcher.namespaces) or [""]
    seen = watches(reader, settings.kube.scheduler_profile, namespaces)
    member = member_of(settings.watcher, settings.kube.installation, login)
    events = JobEventLog(settings.kafka, settings.topics.job_events, member)
    installation, logs = settings.kube.installation, PodLogs(reader)
    watcher = Watcher(seen, events, shared.producer, settings.watcher, installation, logs, metrics)
    return Watching(reader, watcher)


async def run_watcher(shared: Shared, stopping: asyncio.Event, watching: Watching) -> None:
    """Write events and serve logs until it is time to stop."""
    settings, watcher = shared.settings, watching.watcher
    async with AsyncExitStack() as stack:
        stack.push_async_callback(watching.reader.close)
        shared.checks["watcher"] = lambda: watcher.ready
        if settings.job_logs.token_file is not None:
            await stack.enter_async_context(serving_logs(watcher.logs, settings, shared.metrics))
        running = asyncio.create_task(watcher.run())
        stack.push_async_callback(cancel, [running])
        await ends_before(stopping, running)

"""Watches the Jobs of one cluster and writes what becomes of them to the topic `job-events`.

The way of a change: a watch sees an object -> `job_mirror` keeps its facts and names the Job -> `job_event_writer`
compares the Job's state with the last one written and writes the events between them. Replicas share the partitions of
the topic as members of a group: who owns a partition writes its events.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from service.broker import BrokerUnavailable, JobEventLog, Producer, RecordTooLarge
from service.cluster.job_logs import JobLogs
from service.cluster.job_mirror import JobMirror
from service.errors import LeaseLost
from service.kube import KubeReader, PodLogs, Watch
from service.lifecycle import cancel
from service.manifests.labels import MANAGED_BY_LABEL, MANAGER
from service.manifests.profiles import Profile
from service.settings import WatcherSettings
from service.submission.waiting_causes import CAUSES
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.worker.job_event_writer import JobEventWriter

RETRY_SECONDS = 1.0
"""Pause after Kafka did not take an event, or a partition could not be read."""
EXIT_SECONDS = 1.0
"""How long the end of a failed Job is held back for its pod's exit code; of some pods nothing is left to come."""
EXPIRE_SECONDS = 3600.0
"""How often the histories that are over are looked for."""
_MANAGED: Final = {"labelSelector": f"{MANAGED_BY_LABEL}={MANAGER}"}
WATCHED: Final[Mapping[str, Mapping[str, str]]] = {
    "jobs": _MANAGED,
    "pods": _MANAGED,
    "events": {"fieldSelector": "type=Warning"},
}
"""What is watched whatever the scheduler, and the selector of each."""


def watches(reader: KubeReader, profile: Profile, namespaces: Collection[str]) -> dict[str, dict[str, Watch]]:
    """Return the watches by resource and namespace, those of what the scheduler of the profile says included.

    The empty namespace stands for all.
    """
    resources = dict(WATCHED) | ({profile.admission: {}} if profile.admission else {})
    return {
        resource: {
            namespace: Watch(reader, resource, namespace, selector, optional=resource not in WATCHED)
            for namespace in namespaces
        }
        for resource, selector in resources.items()
    }


class Watcher:
    """One replica. `run` works until it is cancelled; `ready` tells whether it has seen the cluster and takes part.

    `watches` has, by resource, a watch for each namespace, or one for all under the empty name.
    """

    logs: JobLogs
    """What the pods of the Jobs print."""

    def __init__(
        self,
        watches: Mapping[str, Mapping[str, Watch]],
        events: JobEventLog,
        producer: Producer,
        settings: WatcherSettings,
        installation: str,
        pod_logs: PodLogs,
        metrics: Metrics,
    ) -> None:
        self._watches = watches
        self._events = events
        self._settings = settings
        self._mirror = JobMirror(settings.cluster_name, installation, self._changed)
        self._writer = JobEventWriter(self._mirror, events, producer, _now)
        self.logs = JobLogs(self._mirror, pod_logs, lambda: not self._unsynced, _now)
        self._pending: dict[str, None] = {}
        self._again: set[str] = set()
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._unsynced = {(resource, namespace) for resource in watches for namespace in watches[resource]}
        self._loading: dict[int, asyncio.Task[None]] = {}
        self._written = metrics.job_events
        for resource, in_namespaces in watches.items():
            up = partial(_all_up, in_namespaces.values())
            metrics.watch_up.labels(resource=resource).set_function(up)
        metrics.watched_jobs.set_function(lambda: len(self._mirror))
        for cause in CAUSES.values():
            if cause.stage != "log":  # which is told before there is a Job
                waiting = partial(self._writer.number_waiting, cause.reason)
                metrics.waiting_jobs.labels(reason=cause.reason).set_function(waiting)

    @property
    def ready(self) -> bool:
        """True once every first list has been read and what was written before is known in all its partitions."""
        return not self._unsynced and not self._loading and self._events.confirmed()

    async def run(self) -> None:
        """Watch and write until cancelled."""
        await self._events.start(self._assigned, self._revoked)
        try:
            async with asyncio.TaskGroup() as tasks:
                for resource, in_namespaces in self._watches.items():
                    for namespace, watch in in_namespaces.items():
                        tasks.create_task(self._follow(resource, namespace, watch))
                tasks.create_task(self._write_what_changed())
                tasks.create_task(self._expire())
        finally:
            await cancel([*self._busy.values(), *self._loading.values()])
            await self._events.stop()

    # --- what the cluster says --------------------------------------------------------------------------------------

    async def _follow(self, resource: str, namespace: str, watch: Watch) -> None:
        listed: list[str] | None = None
        async for kind, item in watch.changes():
            match kind:
                case "listing":
                    listed = []
                case "synced":
                    self._mirror.remaining(resource, namespace, listed or ())
                    listed = None
                    self._wait_no_more_for(resource, namespace)
                case "unavailable":
                    self._wait_no_more_for(resource, namespace)
                case "deleted":
                    self._mirror.deleted(resource, item["metadata"]["uid"])
                case "applied":
                    self._mirror.applied(resource, item)
                    if listed is not None:
                        listed.append(item["metadata"]["uid"])

    def _wait_no_more_for(self, resource: str, namespace: str) -> None:
        self._unsynced.discard((resource, namespace))
        if not self._unsynced:
            self._look_at(self._writer.missing())

    def _changed(self, uid: str) -> None:
        self._look_at([uid])

    def _look_at(self, uids: Collection[str]) -> None:
        for uid in uids:
            if uid in self._busy:
                self._again.add(uid)
                if uid in self._awaited:
                    self._awaited[uid].set()
            else:
                self._pending[uid] = None
        self._wake.set()

    # --- partitions come and go -------------------------------------------------------------------------------------

    async def _assigned(self, partitions: list[int]) -> None:
        log.info("job-events-assigned", partitions=sorted(partitions))
        for partition in partitions:
            self._loading[partition] = asyncio.create_task(self._load(partition))

    async def _load(self, partition: int) -> None:
        while True:
            try:
                await self._writer.load(partition)
                break
            except BrokerUnavailable as error:
                log.warning("job-events-unreadable", partition=partition, reason=str(error))
            except Exception:  # noqa: BLE001 - else the task ends unseen, and nobody writes the partition's events
                log.exception("job-events-unreadable", partition=partition)
            await asyncio.sleep(RETRY_SECONDS)
        del self._loading[partition]
        self._look_at(self._writer.uids_in(partition))
        if not self._unsynced:
            self._look_at(self._writer.missing())

    async def _revoked(self, partitions: list[int]) -> None:
        log.info("job-events-revoked", partitions=sorted(partitions))
        leaving = [task for partition in partitions if (task := self._loading.pop(partition, None))]
        await cancel(leaving)
        for partition in partitions:
            self._writer.forget(partition)

    # --- writing ----------------------------------------------------------------------------------------------------

    async def _write_what_changed(self) -> None:
        """Start a write for each job that has changed; until every first list is read nobody can tell what is gone."""
        while True:
            while self._unsynced or not self._pending:
                self._wake.clear()
                await self._wake.wait()
            await self._slots.acquire()
            uid = next(iter(self._pending))
            del self._pending[uid]
            self._busy[uid] = asyncio.create_task(self._write(uid))

    async def _write(self, uid: str) -> None:
        """Write what a job has come to, and look at it again where it changed meanwhile: one write at a time."""
        if self._mirror.lacks_exit(uid):
            self._slots.release()
            await self._until_exit_is_known(uid)
            await self._slots.acquire()
        pause = self._settings.min_interval_seconds
        try:
            written = await self._writer.write(uid)
            self._written.inc(written)
            pause = pause if written else 0
        except LeaseLost:
            pass  # the replica that has the partition now looks at all of its jobs
        except (BrokerUnavailable, RecordTooLarge) as error:
            log.warning("job-event-not-written", uid=uid, reason=str(error))
            self._again.add(uid)
            pause = RETRY_SECONDS
        except Exception:  # noqa: BLE001 - one job's odd state must not end the events of all
            log.exception("job-event-failed", uid=uid)
        finally:
            self._slots.release()
        await asyncio.sleep(pause)
        del self._busy[uid]
        if uid in self._again:
            self._again.discard(uid)
            self._look_at([uid])

    async def _until_exit_is_known(self, uid: str) -> None:
        """Wait a moment for how the pod of a failed Job ended: the watches are not in step, and an end is told once."""
        changed = self._awaited[uid] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_SECONDS):
                while self._mirror.lacks_exit(uid):
                    await changed.wait()
                    changed.clear()
        del self._awaited[uid]

    async def _expire(self) -> None:
        pause = EXPIRE_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = EXPIRE_SECONDS
            try:
                ended = await self._writer.expire(self._settings.history_seconds)
                if ended is None:  # a write of another task tells the time
                    pause = RETRY_SECONDS
                else:
                    log.info("job-histories-ended", number=ended)
            except LeaseLost:
                pass
            except BrokerUnavailable as error:
                log.warning("job-event-not-written", reason=str(error))


def _now() -> int:
    """Return the time in milliseconds since the epoch."""
    return int(time.time() * 1000)


def _all_up(watches: Collection[Watch]) -> float:
    """Return 1 while changes come in through all of the watches, else 0."""
    return all(watch.up for watch in watches)

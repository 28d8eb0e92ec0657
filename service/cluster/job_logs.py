"""What the pods of a job print: which pods those are is known from the watches, their logs are read when asked for.

What they have printed so far comes one pod after the other, the oldest first. What is followed comes from all at once,
those that a retry makes included. Where a job has several pods, each line is led by the name of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final

from service.cluster.job_facts import JobFacts, PodFacts
from service.cluster.job_mirror import JobMirror
from service.cluster.waiting import MAX_SENTENCE
from service.errors import Fault, InvalidSubmission, LogBrokeOff
from service.kube import ApiError, ApiUnreachable, PodLogs
from service.lifecycle import cancel
from service.manifests.pod import CONTAINER
from service.spec.log_request import LogRequest
from service.submission import rejections
from service.submission.rejection import Rejection, SubmissionRejected

LOOK_SECONDS: Final = 0.25
"""How often pods that have started since are looked for."""

ERROR_SECONDS: Final = 1.0
"""How long the first lines of a followed log are waited for, so that a refusal can still be answered as one."""

CHUNKS_AHEAD: Final = 4
"""Chunks read of all pods together before the client has taken them."""


class JobLogs:
    """The logs of the jobs that `mirror` knows; `known` tells whether it knows all, `now` the time in milliseconds."""

    def __init__(self, mirror: JobMirror, logs: PodLogs, known: Callable[[], bool], now: Callable[[], int]) -> None:
        self._mirror = mirror
        self._logs = logs
        self._known = known
        self._now = now

    @asynccontextmanager
    async def open(self, project: str, name: str, request: LogRequest) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Give the log of a job as chunks, which may raise LogBrokeOff.

        Raises SubmissionRejected: 400, 404 for an unknown job or pod, 409 before a pod has started, 410 where the pods
        are gone, 503; InvalidSubmission.
        """
        if not self._known():
            raise SubmissionRejected(rejections.logs_unavailable("the watcher has not seen all jobs yet"))
        job = self._mirror.named(project, name)
        if job is None:
            raise SubmissionRejected(rejections.unknown_job(project, name, ()))
        self._check(job, request)
        lines = self._followed(job, request) if request.follow else self._so_far(job, request)
        async with aclosing(lines):
            first = await _first_of(lines, job.name, may_wait=request.follow)
            async with aclosing(_after(first, lines)) as chunks:
                yield chunks

    def _check(self, job: JobFacts, request: LogRequest) -> None:
        """Refuse what cannot have a log. Raises SubmissionRejected, InvalidSubmission."""
        pods = self._mirror.pods(job.uid)
        if request.pod is not None and request.pod not in {pod.name for pod in pods} and not request.follow:
            there = ", ".join(sorted(pod.name for pod in pods)) or "none"
            raise InvalidSubmission((Fault("pod", f"is no pod of the job {job.name}: there are {there[:200]}"),))
        if request.follow and not _has_ended(job):
            return
        if not pods:
            if _has_ended(job):
                raise SubmissionRejected(rejections.logs_gone(job.name))
            raise SubmissionRejected(rejections.not_started(job.name, self._why(job)))
        if not self._started(job, request):
            raise SubmissionRejected(rejections.not_started(job.name, self._why(job)))

    def _why(self, job: JobFacts) -> str:
        state = self._mirror.state(job.uid, self._now())
        return state.waiting.sentence[:MAX_SENTENCE] if state and state.waiting else "its pods are about to start"

    def _started(self, job: JobFacts, request: LogRequest) -> list[PodFacts]:
        """Return the pods that can have printed something, oldest first."""
        wanted = [pod for pod in self._mirror.pods(job.uid) if request.pod in (None, pod.name)]
        started = [pod for pod in wanted if pod.started_at is not None or pod.exit_code is not None]
        return sorted(started, key=lambda pod: (pod.started_at or 0, pod.name))

    def _prefix(self, job: JobFacts, pod: PodFacts, request: LogRequest) -> bytes:
        several = max(len(self._mirror.pods(job.uid)), min(job.parallelism or 1, job.completions or 1)) > 1
        return f"[{pod.name}] ".encode() if several and request.pod is None else b""

    async def _so_far(self, job: JobFacts, request: LogRequest) -> AsyncGenerator[bytes, None]:
        container = request.container or CONTAINER
        for pod in self._started(job, request):
            prefix = self._prefix(job, pod, request)
            async with aclosing(self._logs.read(pod.namespace, pod.name, container, request, prefix)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _followed(self, job: JobFacts, request: LogRequest) -> AsyncGenerator[bytes, None]:
        """Yield the lines of all pods as they come, until the job has ended or is gone."""
        ahead: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_AHEAD)
        reading: dict[str, asyncio.Task[None]] = {}
        looking = asyncio.create_task(self._read_all(job, request, reading, ahead))
        try:
            while (chunk := await ahead.get()) is not None:
                yield chunk
            await looking  # raises what ended it
        finally:
            await cancel([looking, *reading.values()])

    async def _read_all(
        self,
        job: JobFacts,
        request: LogRequest,
        reading: dict[str, asyncio.Task[None]],
        ahead: "asyncio.Queue[bytes | None]",
    ) -> None:
        """Read each pod as soon as it has started; put None after the last line of all."""
        try:
            while True:
                is_over = self._is_over(job)
                for pod in self._started(job, request):
                    if pod.uid not in reading:
                        reading[pod.uid] = asyncio.create_task(self._read_one(job, pod, request, ahead))
                done = [task for task in reading.values() if task.done()]
                for task in done:
                    task.result()
                if is_over and len(done) == len(reading):
                    return
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await ahead.put(None)

    async def _read_one(
        self, job: JobFacts, pod: PodFacts, request: LogRequest, ahead: "asyncio.Queue[bytes | None]"
    ) -> None:
        def is_over() -> bool:
            now = next((each for each in self._mirror.pods(job.uid) if each.uid == pod.uid), None)
            return now is None or now.phase in ("Succeeded", "Failed")

        prefix, container = self._prefix(job, pod, request), request.container or CONTAINER
        has_begun = False
        try:
            lines = self._logs.follow(pod.namespace, pod.name, container, request, is_over, prefix)
            async with aclosing(lines):
                async for chunk in lines:
                    has_begun = True
                    await ahead.put(chunk)
        except ApiError as error:
            if error.answer.status != 404 or not has_begun:  # else it was collected after its last line
                raise

    def _is_over(self, job: JobFacts) -> bool:
        now = self._mirror.jobs.get(job.uid)
        return now is None or _has_ended(now)


def _has_ended(job: JobFacts) -> bool:
    return "Complete" in job.conditions or "Failed" in job.conditions


async def _first_of(lines: AsyncGenerator[bytes, None], job: str, *, may_wait: bool) -> "asyncio.Task[bytes | None]":
    """Return the first chunk that comes, None at the end; raises SubmissionRejected where the API server refuses.

    Where it may take long it is returned as it is, to be waited for.
    """
    first = asyncio.ensure_future(anext(lines, None))
    try:
        await asyncio.wait([first], timeout=ERROR_SECONDS if may_wait else None)
        if first.done():
            first.result()
    except (ApiError, ApiUnreachable) as error:
        raise SubmissionRejected(_rejection(error, job)) from None
    except asyncio.CancelledError:
        await cancel([first])
        raise
    return first


async def _after(
    first: "asyncio.Task[bytes | None]", lines: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    try:
        chunk = await first
        while chunk is not None:
            yield chunk
            chunk = await anext(lines, None)
    except (ApiError, ApiUnreachable) as error:
        raise LogBrokeOff(str(error)) from error
    finally:
        await cancel([first])


def _rejection(error: ApiError | ApiUnreachable, job: str) -> Rejection:
    if isinstance(error, ApiUnreachable):
        return rejections.logs_unavailable(f"the API server cannot be reached: {error.reason}")
    answer = error.answer
    if answer.status == 404:
        return rejections.logs_gone(job)
    if answer.status == 400:
        return rejections.no_such_log(job, answer.message)
    return rejections.logs_unavailable(answer.message)

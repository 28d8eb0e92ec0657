"""Repeats a step until Kubernetes has decided it: temporary failures are tried again, an outage is waited for.

What is temporary and what is an outage stands in the table of `kube.decisions`; here it is acted on. Only final
answers come back to `submitter`, so that its steps read as if the API server always answered.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.cluster.concurrency import Limiter
from service.cluster.failure_log import FailureLog
from service.cluster.isolation import SlowNamespaces
from service.cluster.outage import OutageGate
from service.errors import TemporaryFailure
from service.kube.decisions import Verdict
from service.kube.errors import ApiError, ApiUnreachable, Reason
from service.telemetry.metrics import Metrics

T = TypeVar("T")

MAX_DETAIL = 300
"""Characters of the API server's words in a line of the log."""
MAX_DOUBLINGS = 32
"""Doublings of the back-off, beyond which every cap is reached."""
Sleep = Callable[[float], Awaitable[None]]
"""Sleeps for a number of seconds between two tries, letting others work in the meantime."""


class Retrier:
    """Repeats steps until their end is final.

    `base` and `cap` are the first and the longest back-off in seconds; `uniform` gives random numbers in [0, 1).
    """

    def __init__(
        self,
        gate: OutageGate,
        limiter: Limiter,
        slow_namespaces: SlowNamespaces,
        base: float,
        cap: float,
        metrics: Metrics,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._gate = gate
        self._limiter = limiter
        self._slow_namespaces = slow_namespaces
        self._base = base
        self._cap = cap
        self._retries = metrics.retries
        self._failures = FailureLog()
        self._uniform = uniform

    async def until_final(
        self, step: Callable[[], Awaitable[T]], namespace: str, sleep: Sleep, deadline: float = 0
    ) -> T:
        """Repeat `step`, which must be fit to be repeated, until another try would end the same; return its result.

        `namespace` is where it acts. Raises ApiError where the answer is final, TemporaryFailure where tries have
        failed for `deadline` seconds (0: never), and whatever else the step raises. The time of an outage does not
        count: it decides nothing.
        """
        attempt = 0
        failing_since: float | None = None
        while True:
            if self._gate.in_outage:
                await self._outage_over()
            try:
                return await self._limited(step, namespace)
            except TemporaryFailure as error:
                failure, is_outage, detail = error, False, ""
            except ApiUnreachable as error:
                failure, is_outage, detail = TemporaryFailure(error.reason), True, error.detail
            except ApiError as error:
                rule = error.rule
                if rule.verdict.is_final:
                    raise
                failure = TemporaryFailure(rule.name, error.answer.retry_after)
                is_outage, detail = rule.verdict is Verdict.OUTAGE, error.answer.message[:MAX_DETAIL]
            self._retries.labels(reason=failure.reason).inc()
            if is_outage and await self._outage_over():
                attempt, failing_since = 0, None
                continue
            now = asyncio.get_running_loop().time()
            self._failures.note(failure.reason, detail, namespace, now)
            failing_since = now if failing_since is None else failing_since
            if deadline and now - failing_since >= deadline:
                raise failure
            await sleep(retry_delay(attempt, failure.retry_after, self._uniform(), self._base, self._cap))
            attempt += 1

    async def _outage_over(self) -> bool:
        """Wait until the API server answers; return True, and suspect no namespace any more, if it did not at first."""
        was_away = await self._gate.until_over()
        if was_away:
            self._slow_namespaces.clear()
        return was_away

    async def _limited(self, step: Callable[[], Awaitable[T]], namespace: str) -> T:
        """Do a step when there is a place for it, and tell `concurrency` and `isolation` how it went.

        Raises ApiUnreachable where the namespace is suspect and has enough requests in progress: the probe that
        follows tells whether it is the API server after all.
        """
        slow, loop = self._slow_namespaces, asyncio.get_running_loop()
        place = None if slow.suspects(namespace, loop.time()) else await self._limiter.enter(namespace)
        if place is not None and slow.suspects(namespace, loop.time()):
            self._limiter.give_back(place)
            place = None
        if place is None and slow.full(namespace):
            raise ApiUnreachable(Reason.SUSPECT)
        number = slow.begin(namespace, loop.time())
        answered, refused, retry_after = False, False, None
        try:
            done = await step()
            answered = True
        except ApiError as error:
            refused, retry_after = error.answer.status == 429, error.answer.retry_after
            raise
        finally:
            slow.end(namespace, number, loop.time())
            if place is not None:
                self._limiter.leave(place, answered=answered, refused=refused, retry_after=retry_after)
        return done


def retry_delay(attempt: int, retry_after: float | None, unit_random: float, base: float, cap: float) -> float:
    """Return the seconds to wait before try number `attempt` + 2: capped exponential back-off with full jitter.

    `attempt` counts from 0, `unit_random` is uniform in [0, 1), `base` and `cap` are seconds. The jitter comes on top
    of the server's `retry_after`, which is the same for everybody and would bring them all back at once.
    Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    return (retry_after or 0.0) + unit_random * min(cap, base * 2.0 ** min(attempt, MAX_DOUBLINGS))

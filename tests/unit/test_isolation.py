"""Whose requests may go out while some get no answer."""

import asyncio

from service.cluster.concurrency import Limiter
from service.cluster.isolation import SlowNamespaces
from service.cluster.outage import OutageGate
from service.cluster.retries import Retrier
from service.kube import ApiUnreachable
from service.kube.errors import Reason
from service.telemetry.metrics import Metrics

MOST = 2


def admitted(slow: SlowNamespaces, namespace: str, now: float, wanted: int = 5) -> list[int]:
    """Begin as many of the requests wanted as may go out; return their numbers."""
    begun = []
    while len(begun) < wanted and not (slow.suspects(namespace, now) and slow.full(namespace)):
        begun.append(slow.begin(namespace, now))
    return begun


def test_as_many_as_wanted_while_answers_come_in_time():
    slow = SlowNamespaces(MOST, seconds=5)
    begun = admitted(slow, "a", 0)
    assert len(begun) == 5
    for number in begun:
        slow.end("a", number, 5)
    assert len(admitted(slow, "a", 5)) == 5


def test_none_beside_those_without_an_answer_and_a_few_after_them():
    slow = SlowNamespaces(MOST, seconds=5)
    begun = admitted(slow, "a", 0)
    assert admitted(slow, "a", 5.1) == []
    for number in begun:
        slow.end("a", number, 10)
    assert len(admitted(slow, "a", 10)) == MOST


def test_other_namespaces_are_not_suspect():
    slow = SlowNamespaces(MOST, seconds=5)
    admitted(slow, "a", 0)
    assert admitted(slow, "a", 6) == []
    assert len(admitted(slow, "b", 6)) == 5


def test_one_answer_in_time_is_enough():
    slow = SlowNamespaces(MOST, seconds=5)
    (late,) = admitted(slow, "a", 0, wanted=1)
    slow.end("a", late, 6)
    first, second = admitted(slow, "a", 6)
    slow.end("a", first, 7)
    assert len(admitted(slow, "a", 7)) == 5
    slow.end("a", second, 12)
    assert len(admitted(slow, "a", 12)) == 0


async def test_after_an_outage_nobody_is_suspect():
    """All of a namespace's requests were lost with the API server; then they all go out at once."""
    metrics = Metrics()
    lost, back = asyncio.Event(), asyncio.Event()

    async def check() -> None:
        lost.set()
        if not back.is_set():
            raise ApiUnreachable(Reason.TIMEOUT)

    async def step() -> str:
        if back.is_set():
            return "created"
        await asyncio.sleep(0.02)
        raise ApiUnreachable(Reason.TIMEOUT)

    async def sleep(_: float) -> None:
        raise AssertionError("somebody hesitates")

    gate = OutageGate(check, 0.001, metrics.show_outage)
    retrier = Retrier(gate, Limiter(8, 1.0, 0.0, metrics.kube_limit.set), SlowNamespaces(1, 0.01), 0.2, 20, metrics)
    deciding = [asyncio.create_task(retrier.until_final(step, "a", sleep)) for _ in range(20)]
    await lost.wait()
    await asyncio.sleep(0.05)
    back.set()
    assert await asyncio.gather(*deciding) == ["created"] * 20

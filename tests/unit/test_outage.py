"""Whether the API server is there: who asks, and who waits."""

import asyncio
from collections.abc import Callable

from structlog.testing import capture_logs

from service.cluster.outage import OutageGate
from service.kube import ApiUnreachable
from service.kube.errors import Reason


class Server:
    """Answers probes when told to, and keeps what was shown."""

    def __init__(self) -> None:
        self.trouble: Reason | None = Reason.REFUSED
        self.probes = 0
        self.shown: list[str | None] = []

    async def check(self) -> None:
        self.probes += 1
        await asyncio.sleep(0)
        if self.trouble:
            raise ApiUnreachable(self.trouble, "why")

    def show(self, reason: str | None) -> None:
        self.shown.append(reason)

    def gate(self) -> OutageGate:
        return OutageGate(self.check, 0.001, self.show)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_single_hiccup_is_no_outage() -> None:
    server = Server()
    server.trouble = None
    gate = server.gate()
    assert await gate.until_over() is False
    assert (server.probes, server.shown) == (1, [None])


async def test_all_wait_while_one_probes() -> None:
    server = Server()
    gate = server.gate()
    waiters = [asyncio.create_task(gate.until_over()) for _ in range(5)]
    await until(lambda: server.probes >= 3)
    assert gate.in_outage
    server.trouble = None
    assert await asyncio.gather(*waiters) == [True] * 5
    assert (gate.in_outage, server.shown) == (False, [None, "refused", None])


async def test_when_the_one_that_probes_goes_another_takes_over() -> None:
    server = Server()
    gate = server.gate()
    first, second = asyncio.create_task(gate.until_over()), asyncio.create_task(gate.until_over())
    await until(lambda: server.probes >= 2)
    first.cancel()
    server.trouble = None
    assert await second is True
    assert (first.cancelled(), gate.in_outage) == (True, False)


async def test_why_is_told_at_the_beginning_and_when_it_changes() -> None:
    server = Server()
    gate = server.gate()
    with capture_logs() as logs:
        waiting = asyncio.create_task(gate.until_over())
        for trouble in (Reason.REFUSED, Reason.TLS):
            server.trouble = trouble
            await until(lambda trouble=trouble: gate.reason is trouble)
        await until(lambda: server.probes >= 8)
        server.trouble = None
        assert await waiting is True
    assert server.shown == [None, "refused", "tls", None]
    assert logs == [
        {"event": "kubernetes-unreachable", "reason": "refused", "detail": "why", "log_level": "error"},
        {"event": "kubernetes-unreachable", "reason": "tls", "detail": "why", "log_level": "error"},
        {"event": "kubernetes-back", "log_level": "info"},
    ]

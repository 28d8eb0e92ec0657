"""Whether the API server is there: who asks, and who waits."""

import asyncio
from collections.abc import Callable

from service.cluster.outage import OutageGate


class Server:
    """Answers probes when told to, and keeps what was shown."""

    def __init__(self) -> None:
        self.up = False
        self.probes = 0
        self.shown: list[float] = []

    async def alive(self) -> bool:
        self.probes += 1
        await asyncio.sleep(0)
        return self.up

    def show(self, value: float) -> None:
        self.shown.append(float(value))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_single_hiccup_is_no_outage() -> None:
    server = Server()
    server.up = True
    gate = OutageGate(server.alive, 0.001, server.show)
    assert await gate.until_over() is False
    assert (server.probes, server.shown) == (1, [1.0])


async def test_all_wait_while_one_probes() -> None:
    server = Server()
    gate = OutageGate(server.alive, 0.001, server.show)
    waiters = [asyncio.create_task(gate.until_over()) for _ in range(5)]
    await until(lambda: server.probes >= 3)
    assert gate.in_outage
    server.up = True
    assert await asyncio.gather(*waiters) == [True] * 5
    assert (gate.in_outage, server.shown) == (False, [1.0, 0.0, 1.0])


async def test_when_the_one_that_probes_goes_another_takes_over() -> None:
    server = Server()
    gate = OutageGate(server.alive, 0.001, server.show)
    first, second = asyncio.create_task(gate.until_over()), asyncio.create_task(gate.until_over())
    await until(lambda: server.probes >= 2)
    first.cancel()
    server.up = True
    assert await second is True
    assert (first.cancelled(), gate.in_outage) == (True, False)

"""How many steps may be in progress at the Kubernetes API, and when."""

import asyncio
import heapq
import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from service.cluster import concurrency
from service.cluster.concurrency import Limiter, Place
from service.cluster.isolation import SlowNamespaces
from service.cluster.outage import OutageGate
from service.cluster.retries import Retrier
from service.kube import ApiError
from service.kube.decisions import ApiAnswer
from service.telemetry.metrics import Metrics
from tests.unit.modelled_api_server import ApiServer

SHED = ApiError(ApiAnswer(429, "TooManyRequests", "try again", retry_after=0.001))


def limiter(most=32, slow_seconds=60.0, per_second=0.0):
    return Limiter(most, slow_seconds, per_second, Metrics().kube_limit.set)


async def filled(limit: Limiter) -> list[Place]:
    """Take all places, each for another namespace, so that no congestion window counts."""
    return [await limit.enter(f"namespace-{number}") for number in range(int(limit.limit))]


async def rounds(limit: Limiter, count: int, **how) -> list[int]:
    """Let full rounds of steps come and go; return the limit after each."""
    seen = []
    for _ in range(count):
        for place in await filled(limit):
            limit.leave(place, **how)
        seen.append(int(limit.limit))
    return seen


async def test_doubles_each_round_up_to_the_most():
    assert await rounds(limiter(most=100), 4) == [50, 100, 100, 100]


async def test_grows_by_one_a_round_from_where_it_was_too_much():
    limit = limiter(most=64)
    limit.leave(await limit.enter("a"), refused=True, retry_after=0.001)
    assert int(limit.limit) == 8
    assert await rounds(limit, 4) == [9, 10, 11, 12]


async def test_slow_rounds_shrink_it_to_one():
    limit = limiter(slow_seconds=-1.0)  # nothing is quick enough
    assert await rounds(limit, 7) == [5, 3, 2, 1, 1, 1, 1]


async def test_a_minority_of_slow_answers_is_outvoted():
    limit = limiter(most=16, slow_seconds=1.0)
    for number, place in enumerate(await filled(limit)):
        limit.leave(place._replace(since=place.since - 10) if number < 2 else place)
    assert limit.limit == 8


async def test_a_429_halves_it_once_for_all_that_were_on_their_way():
    limit = limiter(most=64)
    for place in await filled(limit):
        limit.leave(place, refused=True, retry_after=0.001)
    assert limit.limit == 8
    limit.leave(await limit.enter("a"), refused=True, retry_after=0.001)
    assert limit.limit == 4


async def test_a_429_is_told_for_a_while(monkeypatch):
    limit = limiter(4)
    assert not limit.is_throttled
    limit.leave(await limit.enter("a"), refused=True)
    assert limit.is_throttled
    monkeypatch.setattr(concurrency, "THROTTLED_SECONDS", 0)
    assert not limit.is_throttled


async def test_nobody_goes_before_the_server_said():
    limit, loop = limiter(), asyncio.get_running_loop()
    refused = await limit.enter("a")
    limit.leave(refused, refused=True, retry_after=0.05)
    assert (await limit.enter("a")).since - refused.since >= 0.05
    assert loop.time() - refused.since >= 0.05


async def test_steps_are_spaced_out():
    limit = limiter(per_second=50)
    entered = []
    for _ in range(4):
        entered.append(await limit.enter("a"))
        limit.leave(entered[-1])
    assert entered[-1].since - entered[0].since >= 3 / 50


async def test_places_go_in_order_and_a_cancelled_wait_keeps_none():
    limit = limiter(most=1)
    first = await limit.enter("a")
    order: list[str] = []

    async def wait(name: str) -> None:
        place = await limit.enter("a")
        order.append(name)
        limit.leave(place)

    waiting = {name: asyncio.create_task(wait(name)) for name in "abc"}
    await asyncio.sleep(0)
    waiting["a"].cancel()
    limit.leave(first)  # b is admitted now ...
    waiting["b"].cancel()  # ... and cancelled before it runs
    await asyncio.gather(*waiting.values(), return_exceptions=True)
    assert order == ["c"]


async def test_a_crowd_of_one_namespace_delays_no_other_by_more_than_one_step():
    """128 jobs of 40 claims in one project, and one job of another."""
    limit, done = limiter(most=4), list[str]()

    async def job(namespace: str, steps: int) -> None:
        for _ in range(steps):
            place = await limit.enter(namespace)
            await asyncio.sleep(0)
            done.append(namespace)
            limit.leave(place)

    crowd = [asyncio.create_task(job("crowd", 40)) for _ in range(128)]
    while len(done) < 100:
        await asyncio.sleep(0)
    before = len(done)
    await job("other", 3)
    assert done[before:].count("crowd") <= 3 * 2 * 4, "in three steps no more than two rounds each of all four places"
    await asyncio.gather(*crowd)
    assert done.count("crowd") == 128 * 40


async def test_a_backlog_of_one_namespace_stands_here_and_not_at_the_api_server_while_others_come(monkeypatch):
    """So that a step of another has few before it; a server of two cores that takes 3 ms needs no more."""
    monkeypatch.setattr(concurrency, "SHARED_SECONDS", float("inf"))  # the model has a time of its own
    limit, server, loop = limiter(most=64), ApiServer(2, 0.003), asyncio.get_running_loop()
    at_server: list[tuple[float, int, float, Place]] = []
    numbers, now = itertools.count(), 0.0

    async def send(namespace: str) -> None:
        place = await limit.enter(namespace)
        heapq.heappush(at_server, (server.done_at(now), next(numbers), now, place))

    async def answer(count: int) -> int:
        nonlocal now
        for _ in range(count):
            now, _, sent, place = heapq.heappop(at_server)
            limit.leave(place._replace(since=loop.time() - (now - sent)))
            await asyncio.sleep(0)
        return len(at_server)

    backlog = [asyncio.create_task(send("crowd")) for _ in range(2000)]
    await asyncio.sleep(0)
    assert await answer(1000) == 64, "nobody else is there"
    first = asyncio.create_task(send("other"))
    before = await answer(500)
    assert first.done()
    assert 4 <= before <= 12
    other = asyncio.create_task(send("other"))
    await asyncio.sleep(0)
    assert other.done(), "it has a place at once"
    assert len(at_server) == before + 1
    for task in backlog:
        task.cancel()


async def test_a_step_that_failed_says_nothing_of_the_line_at_the_api_server():
    limit = limiter(most=64)
    first = await limit.enter("a")
    limit.leave(first)
    for _ in range(100):
        places = [await limit.enter("a") for _ in range(8)]
        for place in places:
            limit.leave(place._replace(since=place.since - 5), answered=False)
    assert first.window.size == 8


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_everybody_gets_in_who_waits_and_namespaces_take_turns(asking: list[tuple[str, bool]], most: int):
    async def play() -> None:
        limit = limiter(most=most)
        first = await filled(limit)
        admitted: list[str] = []

        async def one(namespace: str) -> None:
            place = await limit.enter(namespace)
            admitted.append(namespace)
            await asyncio.sleep(0)
            limit.leave(place)

        waiting = [(namespace, goes, asyncio.create_task(one(namespace))) for namespace, goes in asking]
        await asyncio.sleep(0)
        for _, goes, task in waiting:
            if goes:
                task.cancel()
        for place in first:
            limit.leave(place)
        await asyncio.gather(*(task for _, _, task in waiting), return_exceptions=True)
        left = Counter(namespace for namespace, goes, _ in waiting if not goes)
        assert Counter(admitted) == left
        seen: Counter[str] = Counter()
        for namespace in admitted:
            others = [each for each in left if each != namespace and seen[each] < left[each]]
            assert all(seen[namespace] <= seen[each] for each in others), "nobody is a turn ahead of who still waits"
            seen[namespace] += 1

    asyncio.run(play())


async def test_a_storm_of_429_gets_fewer_requests_than_a_normal_load():
    """32 submissions in progress: without a limit each of the storm's rounds would be 32 requests."""
    metrics = Metrics()
    limit = Limiter(32, 1.0, 0.0, metrics.kube_limit.set)
    gate = OutageGate(lambda: asyncio.sleep(0), 1.0, metrics.show_outage)
    retrier = Retrier(gate, limit, SlowNamespaces(8, 5), 0.2, 20, metrics)
    busy = answered = 0
    at_once: Counter[int] = Counter()

    async def step() -> str:
        nonlocal busy, answered
        busy += 1
        answered += 1
        at_once[busy] += 1
        storm = answered <= 100
        await asyncio.sleep(0)
        busy -= 1
        if storm:
            raise SHED
        return "created"

    async def sleep(_: float) -> None:
        await asyncio.sleep(0)

    done = await asyncio.gather(*(retrier.until_final(step, "runai-team-a", sleep) for _ in range(32)))
    assert done == ["created"] * 32
    assert answered == 132
    assert max(at_once) == 8, "a quarter at first, never more in the storm"
    assert sum(at_once[number] for number in range(2, 33)) < 40, "soon one at a time"

"""Tasks that run until they end or it is time to stop."""

import asyncio

import pytest

from service.lifecycle import cancel, ends_before


async def fail() -> None:
    raise ValueError("broken")


async def test_a_task_that_ends_is_told_apart_from_the_time_to_stop() -> None:
    stopping = asyncio.Event()
    short, long = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(60))
    assert await ends_before(stopping, long, short) is True
    stopping.set()
    assert await ends_before(stopping, long) is False
    assert not long.done()
    await cancel([long])
    assert long.cancelled()


async def test_what_a_task_ends_with_is_raised() -> None:
    with pytest.raises(ValueError, match="broken"):
        await ends_before(asyncio.Event(), asyncio.create_task(fail()))


async def test_whoever_waits_can_be_cancelled_and_the_task_goes_on() -> None:
    long = asyncio.create_task(asyncio.sleep(60))
    waiting = asyncio.create_task(ends_before(asyncio.Event(), long))
    await asyncio.sleep(0)
    await cancel([waiting])
    assert (waiting.cancelled(), long.done()) == (True, False)
    await cancel([long])


async def test_the_end_of_tasks_is_waited_for_whatever_it_is() -> None:
    ended: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append("tidied")

    tasks = [asyncio.create_task(tidy()), asyncio.create_task(fail())]
    await asyncio.sleep(0)
    await cancel(tasks)
    assert ended == ["tidied"]

"""How the slots for records in progress are shared between projects."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.worker.slots import Slots

A, B, C = b"a", b"b", b"c"


def filled(slots: Slots, *projects: bytes) -> dict[bytes, int]:
    """Let projects take slots in turn for as long as any may; return how many each has."""
    held: Counter[bytes] = Counter()
    while taking := [project for project in projects if slots.may_take(project)]:
        for project in taking:
            if slots.may_take(project):
                slots.take(project)
                held[project] += 1
    return dict(held)


@pytest.mark.parametrize(
    ("count", "projects", "held"),
    [
        (1, (A,), {A: 1}),
        (4, (A,), {A: 4}),
        (8, (A,), {A: 7}),
        (128, (A,), {A: 112}),
        (128, (A, B), {A: 60, B: 60}),
        (128, (A, B, C), {A: 41, B: 41, C: 41}),
    ],
)
def test_a_project_leaves_an_eighth_and_several_have_equal_parts(
    count: int, projects: tuple[bytes, ...], held: dict[bytes, int]
) -> None:
    assert filled(Slots(count, lambda: None), *projects) == held


def test_a_project_that_comes_late_finds_a_slot_and_in_the_end_its_part() -> None:
    slots = Slots(128, lambda: None)
    filled(slots, A)
    assert slots.may_take(B)
    held = filled(slots, B)[B]
    for _ in range(112):
        slots.release(A)
        while slots.may_take(B):
            slots.take(B)
            held += 1
        if slots.may_take(A):
            slots.take(A)
    assert 60 <= held <= 64


async def test_those_that_wait_are_served_in_turns_and_before_anything_new() -> None:
    told: list[int] = []
    slots = Slots(2, lambda: told.append(slots.free))
    for _ in range(2):
        slots.take(A)
    order: list[str] = []

    async def one(name: str, project: bytes) -> None:
        await slots.wait(project)
        order.append(name)

    waiting = [asyncio.create_task(one(name, project)) for name, project in (("a1", A), ("a2", A), ("b1", B))]
    await asyncio.sleep(0)
    slots.release(A)
    await asyncio.sleep(0)
    slots.release(A)
    await asyncio.gather(*waiting[::2])
    assert (order, told) == (["a1", "b1"], [0, 0])
    waiting[1].cancel()
    slots.release(B)
    assert (slots.free, slots.may_take(C)) == (1, True)


async def test_whoever_is_given_a_slot_and_cancelled_at_the_same_time_gives_it_back() -> None:
    slots = Slots(1, lambda: None)
    slots.take(A)
    first, second = asyncio.create_task(slots.wait(A)), asyncio.create_task(slots.wait(A))
    await asyncio.sleep(0)
    slots.release(A)
    first.cancel()
    await second
    assert (first.cancelled(), slots.free) == (True, 0)


async def test_the_last_that_waits_is_served_while_others_slots_stay_free() -> None:
    slots = Slots(16, lambda: None)
    filled(slots, A)
    waiting = asyncio.create_task(slots.wait(A))
    await asyncio.sleep(0)
    slots.release(A)
    await waiting
    assert slots.free == 2


@given(st.integers(1, 20), st.lists(st.tuples(st.sampled_from([A, B, C]), st.booleans()), max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_slot_is_lost_and_nobody_waits_for_ever(count: int, asking: list[tuple[bytes, bool]]) -> None:
    async def play() -> None:
        slots = Slots(count, lambda: None)

        async def one(project: bytes) -> None:
            await slots.wait(project)
            assert slots.free >= 0
            try:
                await asyncio.sleep(0)
            finally:
                slots.release(project)

        tasks = [(goes, asyncio.create_task(one(project))) for project, goes in asking]
        await asyncio.sleep(0)
        for goes, task in tasks:
            if goes:
                task.cancel()
        async with asyncio.timeout(5):
            ended = await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
        assert [each for each in ended if isinstance(each, Exception)] == []
        assert slots.free == count

    asyncio.run(play())

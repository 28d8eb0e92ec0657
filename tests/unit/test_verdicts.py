"""Answers that are remembered for a while."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.verdicts import Verdicts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Questions:
    """Counts what is asked, and answers when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._under_way = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    def about(self, key: str, answer: bool | Exception = True) -> Callable[[], Awaitable[bool]]:
        async def ask() -> bool:
            self.asked.append(key)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            try:
                await asyncio.sleep(0)
                await self.go_on.wait()
            finally:
                self._under_way -= 1
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask


@pytest.mark.parametrize("answer", [True, False])
async def test_a_good_and_a_bad_answer_count_for_a_while(answer):
    clock, questions = Clock(), Questions()
    verdicts: Verdicts[str, bool] = Verdicts(10, 5, 10, clock)
    for now, asked in ((0.0, 1), (4.9, 1), (5.1, 2)):
        clock.now = now
        assert await verdicts.of("a", questions.about("a", answer)) is answer
        assert len(questions.asked) == asked


async def test_a_failure_is_not_remembered():
    questions = Questions()
    verdicts: Verdicts[str, bool] = Verdicts(10, 5, 10)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            await verdicts.of("a", questions.about("a", OSError("away")))
    assert await verdicts.of("a", questions.about("a")) is True
    assert questions.asked == ["a"] * 3


async def test_what_many_want_to_know_at_once_is_asked_once_though_the_first_of_them_is_gone():
    questions = Questions()
    questions.go_on.clear()
    verdicts: Verdicts[str, bool] = Verdicts(10, 5, 10)
    waiting = [asyncio.create_task(verdicts.of("a", questions.about("a"))) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    questions.go_on.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 4
    assert questions.asked == ["a"]


async def test_a_failure_that_nobody_waits_for_any_more_is_no_noise():
    questions = Questions()
    questions.go_on.clear()
    verdicts: Verdicts[str, bool] = Verdicts(10, 5, 10)
    waiting = asyncio.create_task(verdicts.of("a", questions.about("a", OSError("away"))))
    await asyncio.sleep(0)
    waiting.cancel()
    questions.go_on.set()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    while verdicts._asked:
        await asyncio.sleep(0)
    assert complaints == []


async def test_few_are_remembered_and_few_asked_at_once_however_many_come():
    questions = Questions()
    verdicts: Verdicts[str, bool] = Verdicts(10, 5, 3)
    await asyncio.gather(*(verdicts.of(str(n), questions.about(str(n))) for n in range(100)))
    assert (len(questions.asked), questions.most_at_once, len(verdicts._known)) == (100, 3, 10)
    assert verdicts._asked == {}

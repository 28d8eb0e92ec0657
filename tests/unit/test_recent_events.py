"""The buffer of the last events: whoever comes back with a position misses nothing, or is told so."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from service.views.job_index import JobIndex
from service.views.recent_events import EventReader, Position, RecentEvent, RecentEvents
from tests.unit.job_events import job_event

_EVENT = job_event(1)
ENTRY: Any = JobIndex().put(_EVENT, _EVENT.state.value())


def add(events: RecentEvents, partition: int, offset: int) -> None:
    events.passed(partition, offset)
    events.append(RecentEvent(partition, offset, ENTRY, b"{}"))


def taken(reader: EventReader, most: int = 100) -> list[tuple[int, int]]:
    return [(event.partition, event.offset) for event in reader.take(most)]


def test_a_reader_gets_what_comes_after_it_came():
    events = RecentEvents(10)
    add(events, 0, 0)
    reader = events.reader(None)
    assert (taken(reader), reader.at_end) == ([], True)
    add(events, 0, 1)
    add(events, 2, 0)
    assert not reader.at_end
    assert taken(reader, 1) == [(0, 1)]
    assert str(reader.position) == "2"
    assert taken(reader) == [(2, 0)]
    assert (str(reader.position), reader.missed()) == ("2.0.1", False)


def test_the_position_follows_each_event_that_is_taken():
    events = RecentEvents(10)
    reader = events.reader(None)
    for offset in range(3):
        add(events, offset % 2, offset // 2)
    assert [str(reader.position) for _ in reader.take(10)] == ["1", "1.1", "2.1"]


def test_a_reader_comes_back_with_its_position_to_another_process_that_read_in_another_order():
    here, there = RecentEvents(10), RecentEvents(10)
    for partition, offset in ((0, 0), (1, 0), (0, 1), (1, 1)):
        add(here, partition, offset)
    for partition, offset in ((1, 0), (1, 1), (0, 0), (0, 1)):
        add(there, partition, offset)
    reader = here.reader(Position((0,)))
    assert taken(reader, 3) == [(0, 0), (1, 0), (0, 1)]
    later = there.reader(Position.read(str(reader.position)))
    assert (later.missed(), taken(later), str(later.position)) == (False, [(1, 1)], "2.2")


def test_who_falls_behind_the_buffer_is_told_once_and_goes_on_with_what_comes():
    events = RecentEvents(2)
    reader = events.reader(None)
    for offset in range(3):
        add(events, 0, offset)
    assert (reader.missed(), reader.missed(), taken(reader), str(reader.position)) == (True, False, [], "3")
    add(events, 0, 3)
    assert taken(reader) == [(0, 3)]


@pytest.mark.parametrize(
    ("position", "is_held"),
    [
        ("2.0", True),  # all of partition 0 from 2 on is there
        ("1.0", False),
        ("5.1", True),
        ("5", True),  # of partition 1 nothing was dropped
        ("5.1.0", True),
        ("6.1", False),  # of a topic that was another
        ("5.2", False),
        ("5.1.1", False),
        ("0", False),
    ],
)
def test_whether_everything_after_a_position_is_there(position: str, is_held: bool):
    events = RecentEvents(4)
    for offset in range(4):
        add(events, 0, offset)
    add(events, 1, 0)
    add(events, 0, 4)
    assert events.holds(Position.read(position)) == is_held
    assert events.reader(Position.read(position)).missed() == (not is_held)


def test_offsets_that_were_compacted_away_are_missing():
    events = RecentEvents(10)
    add(events, 0, 0)
    add(events, 0, 3)
    events.passed(0, 4)  # a record that is no event
    add(events, 0, 5)
    held = [position for position in range(8) if events.holds(Position((position,)))]
    assert held == [3, 4, 5, 6]


def test_when_offsets_begin_anew_every_reader_is_told():
    events = RecentEvents(10)
    add(events, 0, 0)
    readers = [events.reader(None), events.reader(Position((0,)))]
    events.clear()
    add(events, 0, 0)
    assert [reader.missed() for reader in readers] == [True, True]
    add(events, 0, 1)
    assert [taken(reader) for reader in readers] == [[(0, 1)], [(0, 1)]]


async def test_news_wake_all_who_wait_for_them():
    events = RecentEvents(10)
    waiting = [asyncio.create_task(events.news(60)) for _ in range(3)]
    await asyncio.sleep(0)
    events.wake()
    await asyncio.wait_for(asyncio.gather(*waiting), 10)
    await events.news(0.001)


@pytest.mark.parametrize("text", ["", ".", "1.", "x", "-1", "1.2,3", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 20, "1 2"])
def test_what_is_no_position(text: str):
    with pytest.raises(ValueError, match="is not a position"):
        Position.read(text)


@given(st.lists(st.integers(0, 2**62), min_size=1))
def test_a_position_comes_back(offsets: list[int]):
    assert Position.read(str(Position(offsets))) == Position(offsets)


class ReaderBetweenTwoProcesses(RuleBasedStateMachine):
    """Two processes read the same partitions, each in an order of its own; a reader that is cut off goes to either.

    It misses and repeats nothing, unless it is told, also where it is cut off before it is.
    """

    @initialize(size=st.integers(1, 12))
    def start(self, size: int) -> None:
        self.buffers = [RecentEvents(size), RecentEvents(size)]
        self.log: dict[int, list[str]] = {partition: [] for partition in range(3)}
        self.read = [dict.fromkeys(self.log, 0) for _ in self.buffers]
        self.had: dict[int, list[int]] = {partition: [] for partition in self.log}
        self.from_ = dict.fromkeys(self.log, 0)
        self.at, self.reader = 0, self.buffers[0].reader(None)

    @rule(partition=st.integers(0, 2), what=st.sampled_from(["event", "event", "other"]))
    def write(self, partition: int, what: str) -> None:
        self.log[partition].append(what)

    @rule(process=st.integers(0, 1), partitions=st.permutations(range(3)))
    def catch_up(self, process: int, partitions: list[int]) -> None:
        for partition in partitions:
            for offset in range(self.read[process][partition], len(self.log[partition])):
                if self.log[partition][offset] == "event":
                    add(self.buffers[process], partition, offset)
                else:
                    self.buffers[process].passed(partition, offset)
            self.read[process][partition] = len(self.log[partition])

    @rule(most=st.integers(1, 5))
    def take(self, most: int) -> None:
        if self.reader.missed():
            self.from_ = dict(self.read[self.at])
            self.had = {partition: [] for partition in self.log}
        for event in self.reader.take(most):
            self.had[event.partition].append(event.offset)

    @rule(process=st.integers(0, 1))
    def cut_off(self, process: int) -> None:
        self.at = process
        self.reader = self.buffers[process].reader(Position.read(str(self.reader.position)))

    @invariant()
    def nothing_is_missed_or_repeated(self) -> None:
        if not self.reader.at_end:
            return
        for partition, offsets in self.had.items():
            events = [offset for offset, what in enumerate(self.log[partition]) if what == "event"]
            end = self.read[self.at][partition]
            assert offsets == [offset for offset in events if self.from_[partition] <= offset < end]


TestReaderBetweenTwoProcesses = ReaderBetweenTwoProcesses.TestCase

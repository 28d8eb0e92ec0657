"""The consumer on a simulated Kafka: what is handled, in what order, and what may be committed."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from service.broker import BrokerUnavailable
from service.consumer import Consumer
from service.errors import LeaseLost, TooManyDeadLetters
from service.settings import ConsumerSettings
from service.submission.records import Record
from service.submission.waiting_in_log import Trouble
from service.telemetry.metrics import Metrics
from service.worker.proof import Proof

LIMIT = 1000


def records(partition: int, *offsets: int) -> list[Record]:
    return [Record("t", partition, offset, offset, None, b"{}", ()) for offset in offsets]


class Source:
    """A consumer group of one, whose fetches and rebalances the test decides."""

    def __init__(self) -> None:
        self.fetched: asyncio.Queue[dict[int, list[Record]]] = asyncio.Queue()
        self.commits: list[dict[int, int]] = []
        self.notes: list[str] = []
        self.paused: set[int] = set()
        self.member = True
        self.on_assigned: Callable[[list[int]], Awaitable[None]]
        self.on_revoked: Callable[[list[int]], Awaitable[None]]

    async def start(self, on_assigned, on_revoked) -> None:
        self.on_assigned, self.on_revoked = on_assigned, on_revoked

    async def stop(self) -> None:
        self.member = False

    async def fetch(self, max_records: int, timeout: float) -> dict[int, list[Record]]:
        try:
            async with asyncio.timeout(timeout):
                return await self.fetched.get()
        except TimeoutError:
            return {}

    def pause(self, partitions: list[int]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: list[int]) -> None:
        self.paused -= set(partitions)

    async def commit(self, positions: dict[int, int], note: str) -> bool:
        self.commits.append(dict(positions))
        self.notes.append(note)
        return self.member

    def confirmed(self) -> bool:
        return self.member

    def lag(self) -> dict[int, int]:
        return {}


class Window(SimpleNamespace):
    """Nothing was done before."""

    partitions = frozenset()

    async def load(self, partition: int) -> None:
        pass

    def forget(self, partition: int) -> None:
        pass

    async def keep_clean(self) -> None:
        await asyncio.Event().wait()

    def __len__(self) -> int:
        return 0


class Handler:
    """Handles records when the test lets it."""

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []
        self.finished: list[tuple[int, int]] = []
        self.gates: dict[tuple[int, int], asyncio.Event] = {}

    def hold(self, partition: int, offset: int) -> asyncio.Event:
        return self.gates.setdefault((partition, offset), asyncio.Event())

    async def handle(self, work, slot) -> None:
        place = (work.record.partition, work.record.offset)
        self.started.append(place)
        if place in self.gates:
            await self.gates[place].wait()
        await slot.lease.confirm()
        self.finished.append(place)


class Stage:
    """A running consumer and what it works with."""

    def __init__(self, **settings) -> None:
        self.source, self.handler = Source(), Handler()
        wanted = {"commit_interval_seconds": 0.01, "drain_seconds": 0.2} | settings
        self.metrics = Metrics()
        self.trouble = Trouble.NONE
        self.consumer = Consumer(
            self.source,
            Window(),
            self.handler,
            ConsumerSettings(**wanted),
            LIMIT,
            self.metrics,
            Proof(None, None, self.metrics),
            trouble=lambda: self.trouble,
        )

    async def __aenter__(self) -> "Stage":
        self.running = asyncio.create_task(self.consumer.run())
        await asyncio.sleep(0)
        await self.source.on_assigned([0, 1])
        await self.until(lambda: not self.source.paused)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.consumer.stop()
        await self.running

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)


async def test_commits_behind_the_first_unfinished_record():
    async with Stage() as stage:
        gate = stage.handler.hold(0, 6)
        stage.source.fetched.put_nowait({0: records(0, 5, 6, 7)})
        await stage.until(lambda: (0, 7) in stage.handler.finished)
        await stage.until(lambda: {0: 6} in stage.source.commits)
        assert {0: 8} not in stage.source.commits
        gate.set()
        await stage.until(lambda: {0: 8} in stage.source.commits)


async def test_what_keeps_it_from_working_stands_in_the_commit_though_nothing_is_finished():
    async with Stage() as stage:
        stage.trouble = Trouble.UNREACHABLE
        gate = stage.handler.hold(0, 5)
        stage.source.fetched.put_nowait({0: records(0, 5)})
        await stage.until(lambda: bool(stage.source.commits))
        assert (stage.source.commits[-1], stage.source.notes[-1]) == ({0: 5}, "unreachable")
        stage.trouble = Trouble.NONE
        await stage.until(lambda: len(stage.source.commits) > 1)
        assert (stage.source.commits[-1], stage.source.notes[-1]) == ({0: 5}, "")
        gate.set()
        await stage.until(lambda: stage.source.commits[-1] == {0: 6})
    assert stage.source.notes == ["unreachable", "", ""]


async def test_a_long_record_holds_up_no_other_partition():
    async with Stage(concurrency=2) as stage:
        stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0, 1, 2), 1: records(1, 0, 1, 2)})
        await stage.until(lambda: len(stage.handler.finished) == 5)
        assert set(stage.handler.finished) == {(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}


async def test_no_more_at_once_than_the_concurrency():
    async with Stage(concurrency=3) as stage:
        gates = [stage.handler.hold(0, offset) for offset in range(6)]
        stage.source.fetched.put_nowait({0: records(0, *range(6))})
        await stage.until(lambda: len(stage.handler.started) == 3)
        await asyncio.sleep(0.02)
        assert len(stage.handler.started) == 3
        for gate in gates:
            gate.set()
        await stage.until(lambda: len(stage.handler.finished) == 6)


async def test_a_project_that_takes_long_leaves_slots_to_others():
    async with Stage(concurrency=16) as stage:
        crowd = [Record("t", 0, offset, offset, None, b'{"job": {"project": "crowd"}}', ()) for offset in range(40)]
        gates = [stage.handler.hold(0, offset) for offset in range(40)]
        stage.source.fetched.put_nowait({0: crowd})
        await stage.until(lambda: len(stage.handler.started) == 14)
        others = [Record("t", 1, n, n, None, b'{"job": {"project": "other-%d"}}' % n, ()) for n in range(8)]
        stage.source.fetched.put_nowait({1: others})
        await stage.until(lambda: len(stage.handler.finished) == 8)
        assert {partition for partition, _ in stage.handler.finished} == {1}
        assert len(stage.handler.started) == 14 + 8
        for gate in gates:
            gate.set()
        await stage.until(lambda: len(stage.handler.finished) == 48)


async def test_a_full_partition_pauses_and_goes_on_when_it_has_drained():
    async with Stage(concurrency=1, queue_per_partition=4) as stage:
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, *range(5))})
        await stage.until(lambda: 0 in stage.source.paused)
        gate.set()
        await stage.until(lambda: 0 not in stage.source.paused)
        await stage.until(lambda: len(stage.handler.finished) == 5)


async def test_a_revoked_partition_is_finished_committed_and_forgotten():
    async with Stage(concurrency=1) as stage:
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0, 1)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        revoking = asyncio.create_task(stage.source.on_revoked([0, 1]))
        await asyncio.sleep(0.01)
        gate.set()
        await revoking
        assert stage.source.commits[-1] == {0: 1}
        stage.source.fetched.put_nowait({0: records(0, 1)})  # a late answer to a fetch
        await asyncio.sleep(0.02)
        assert stage.handler.started == [(0, 0)]


async def test_a_record_that_outlasts_the_revocation_is_cut_off(monkeypatch):
    monkeypatch.setattr("service.consumer.REVOKE_SECONDS", 0.02)
    async with Stage() as stage:
        stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        await stage.source.on_revoked([0, 1])
        await stage.source.on_assigned([0, 1])
        stage.handler.gates[0, 0].set()
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: stage.handler.started == [(0, 0), (0, 0)])
        await stage.until(lambda: {0: 1} in stage.source.commits)
        assert stage.handler.finished == [(0, 0)]


async def test_a_zombie_waits_for_proof_of_its_membership():
    async with Stage() as stage:
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        stage.source.member = False
        gate.set()
        await asyncio.sleep(0.1)
        assert stage.handler.finished == []
        assert not stage.consumer.ready
        stage.source.member = True
        await stage.until(lambda: stage.handler.finished == [(0, 0)])


async def test_stopping_finishes_what_is_in_progress_and_starts_nothing_new():
    stage = Stage(concurrency=1, drain_seconds=5)
    async with stage:
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0, 1)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        stage.consumer.stop()
        await asyncio.sleep(0.01)
        gate.set()
        await stage.running
    assert stage.handler.finished == [(0, 0)]
    assert stage.source.commits[-1] == {0: 1}


async def test_what_does_not_end_in_time_is_left_for_the_next_delivery():
    async with Stage(drain_seconds=0.02) as stage:
        stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
    assert {0: 1} not in stage.source.commits


async def test_records_that_sleep_between_tries_keep_the_others_of_their_partition_from_nothing():
    """Found by attack: a queue full of one project's failing submissions stopped those of all projects."""
    async with Stage(concurrency=2, queue_per_partition=4) as stage:
        mended, sleeping = asyncio.Event(), []

        async def handle(work, slot):
            if work.record.offset < 31:
                sleeping.append(work.record.offset)
                while not mended.is_set():
                    await slot.sleep(0.01)
            stage.handler.finished.append((0, work.record.offset))

        stage.handler.handle = handle
        for begin in range(0, 30, 3):
            stage.source.fetched.put_nowait({0: records(0, begin, begin + 1, begin + 2)})
            await stage.until(lambda: len(sleeping) == begin + 3)  # noqa: B023 - awaited within its iteration
        assert stage.source.paused == set()
        stage.source.fetched.put_nowait({0: records(0, 31)})
        await stage.until(lambda: stage.handler.finished == [(0, 31)])
        stage.source.fetched.put_nowait({0: records(0, 32, 33, 34)})  # what is begun and not done has a bound too
        await stage.until(lambda: len(stage.handler.finished) == 4 and stage.source.paused == {0})
        mended.set()
        await stage.until(lambda: len(stage.handler.finished) == 34 and not stage.source.paused)


async def test_a_record_that_sleeps_gives_its_slot_to_others():
    async with Stage(concurrency=1) as stage:
        slept = asyncio.Event()

        async def handle(work, slot):
            if work.record.offset == 0:
                await slot.sleep(0.05)
                slept.set()
            stage.handler.finished.append((0, work.record.offset))

        stage.handler.handle = handle
        stage.source.fetched.put_nowait({0: records(0, 0, 1, 2)})
        await stage.until(lambda: len(stage.handler.finished) == 3)
        assert stage.handler.finished == [(0, 1), (0, 2), (0, 0)]
        assert slept.is_set()


async def test_a_lost_lease_is_not_committed():
    async with Stage() as stage:

        async def handle(work, slot):
            raise LeaseLost

        stage.handler.handle = handle
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await asyncio.sleep(0.05)
        assert {0: 1} not in stage.source.commits


async def test_too_many_dead_letters_stop_it_for_good():
    async with Stage() as stage:

        async def handle(work, slot):
            raise TooManyDeadLetters("boom")

        good, stage.handler.handle = stage.handler.handle, handle
        assert stage.consumer.ready
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: not stage.consumer.ready)
        stage.handler.handle = good
        stage.source.fetched.put_nowait({0: records(0, 1), 1: records(1, 0)})
        await asyncio.sleep(0.05)
        committed = {partition: offset for commit in stage.source.commits for partition, offset in commit.items()}
        assert (stage.handler.finished, committed) == ([], {0: 0, 1: 0})


async def test_a_partition_whose_offsets_go_back_is_begun_anew():
    async with Stage(concurrency=1) as stage:
        gate = stage.handler.hold(0, 8)
        stage.source.fetched.put_nowait({0: records(0, 7, 8, 9)})
        await stage.until(lambda: {0: 8} in stage.source.commits)
        stage.source.fetched.put_nowait({0: records(0, 10, 0, 1)})  # of a topic that was made anew
        await stage.until(lambda: {0: 0} in stage.source.commits)
        gate.set()
        await stage.until(lambda: stage.source.commits[-1] == {0: 2})
        assert stage.handler.finished == [(0, 7), (0, 8), (0, 0), (0, 1)]


async def test_a_loop_that_dies_ends_the_consumer():
    stage = Stage()

    async def broken(max_records: int, timeout: float) -> dict[int, list[Record]]:
        msg = "broken"
        raise RuntimeError(msg)

    stage.source.fetch = broken
    with pytest.raises(RuntimeError, match="broken"):
        await stage.consumer.run()


async def test_a_commit_that_hangs_lets_no_revoked_record_go_on(monkeypatch):
    monkeypatch.setattr("service.consumer.REVOKE_SECONDS", 0.02)
    async with Stage() as stage:
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0), 1: records(1, 0)})
        await stage.until(lambda: len(stage.handler.started) == 2)

        async def hangs(positions: dict[int, int], note: str) -> bool:
            await asyncio.Event().wait()
            return False

        commit, stage.source.commit = stage.source.commit, hangs
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # as the source does with a revocation that takes too long
                await stage.source.on_revoked([0, 1])
        stage.source.commit = commit
        await stage.source.on_assigned([0, 1])
        gate.set()
        await asyncio.sleep(0.02)
        assert (0, 0) not in stage.handler.finished


async def test_nothing_is_fetched_or_started_while_what_is_in_progress_ends():
    stage = Stage(concurrency=2, drain_seconds=5)
    async with stage:
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        stage.consumer.stop()
        await asyncio.sleep(0.01)
        stage.source.fetched.put_nowait({1: records(1, 0)})
        await asyncio.sleep(0.02)
        gate.set()
        await stage.running
    assert (stage.handler.started, stage.source.fetched.qsize()) == ([(0, 0)], 1)


async def test_a_window_that_cannot_be_loaded_is_loaded_again(monkeypatch):
    monkeypatch.setattr("service.consumer.RETRY_SECONDS", 0.001)
    failures = [RuntimeError("of whatever kind"), BrokerUnavailable("gone")]

    async def load(_window: Window, partition: int) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(Window, "load", load)
    async with Stage() as stage:
        stage.source.fetched.put_nowait({0: records(0, 0)})
        await stage.until(lambda: stage.handler.finished == [(0, 0)])


async def test_a_record_that_cannot_even_become_a_dead_letter_is_taken_up_again(monkeypatch):
    monkeypatch.setattr("service.consumer.RETRY_SECONDS", 0.001)
    async with Stage(concurrency=1) as stage:
        failures = [RuntimeError("once"), RuntimeError("twice")]
        handle = stage.handler.handle

        async def failing(work, slot):
            if work.record.offset == 0 and failures:
                raise failures.pop()
            await handle(work, slot)

        stage.handler.handle = failing
        stage.source.fetched.put_nowait({0: records(0, 0, 1)})
        await stage.until(lambda: {0: 2} in stage.source.commits)


async def test_the_lag_of_partitions_that_are_others_now_is_not_shown(monkeypatch):
    lags = [{0: 5, 1: 7}]
    monkeypatch.setattr(Source, "lag", lambda _source: lags[-1])
    async with Stage() as stage:
        exposition = stage.metrics.exposition
        await stage.until(lambda: b'lag_records{partition="1"} 7.0' in exposition())
        lags.append({0: 6})
        await stage.until(lambda: b'lag_records{partition="0"} 6.0' in exposition())
        assert b'partition="1"' not in exposition()


def of_project(project: str, partition: int, *offsets: int, size: int = 0) -> list[Record]:
    body = f'{{"job": {{"project": "{project}"}}}}'.encode() + b" " * size
    return [record._replace(value=body) for record in records(partition, *offsets)]


async def test_a_second_project_has_its_turn_behind_a_long_backlog_of_the_first():
    async with Stage(concurrency=2) as stage:
        gates = [stage.handler.hold(partition, 0) for partition in (0, 1)]
        stage.source.fetched.put_nowait({0: of_project("a", 0, *range(3000)), 1: of_project("a", 1, *range(3000))})
        stage.source.fetched.put_nowait({0: of_project("b", 0, 3000)})
        await stage.until(lambda: len(stage.handler.started) == 2 and stage.source.fetched.empty())
        await stage.until(lambda: stage.consumer._queue.waiting(0) == 3000)
        for gate in gates:
            gate.set()
        await stage.until(lambda: (0, 3000) in stage.handler.finished)
        assert stage.handler.started.index((0, 3000)) <= 4


async def test_a_partition_pauses_when_its_records_take_their_share_of_the_memory():
    async with Stage(concurrency=1, read_ahead_bytes=2 * 10 * 3048) as stage:  # two partitions, ten records each
        gate = stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: of_project("a", 0, *range(9), size=980)})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        assert stage.source.paused == set()
        stage.source.fetched.put_nowait({0: of_project("a", 0, 9, size=980), 1: of_project("a", 1, 0, size=980)})
        await stage.until(lambda: stage.source.paused == {0})
        gate.set()
        await stage.until(lambda: len(stage.handler.finished) == 11 and not stage.source.paused)


async def test_records_of_a_partition_revoked_while_they_are_read_are_left_to_others(monkeypatch):
    monkeypatch.setattr("service.worker.intake.SLICE_SECONDS", -1)  # others have their turn before each record
    async with Stage(concurrency=1) as stage:
        stage.handler.hold(0, 0)
        stage.source.fetched.put_nowait({0: records(0, *range(1000))})
        await stage.until(lambda: stage.handler.started == [(0, 0)])
        revoking = asyncio.create_task(stage.source.on_revoked([0, 1]))
        stage.handler.gates[0, 0].set()
        await revoking
        await stage.source.on_assigned([0, 1])
        await stage.until(lambda: not stage.source.paused)
        stage.source.fetched.put_nowait({0: records(0, 1, 2)})  # from the committed offset on
        await stage.until(lambda: {0: 3} in stage.source.commits)
        assert stage.handler.finished == [(0, 0), (0, 1), (0, 2)]

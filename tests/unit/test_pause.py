"""The operator's switch: no Job is made while it is on."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.cluster import pause
from service.errors import GivesWay
from tests.unit.fake_api import FakeApi
from tests.unit.submitting import PLAIN, RICH, RICH_OBJECTS, Caller, submission


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "LOOK_SECONDS", 0.001)


async def test_what_is_submitted_while_it_is_on_waits_and_is_done_afterwards(tmp_path: Path) -> None:
    switch, api = tmp_path / "paused", FakeApi()
    caller = Caller(api, pause_file=switch)
    switch.touch()
    with capture_logs() as logs:
        submitting = caller.submitter.submit(submission(PLAIN), confirm=caller.confirm, sleep=asyncio.sleep)
        waiting = asyncio.create_task(submitting)
        await asyncio.sleep(0.02)
        assert (api.calls, waiting.done(), caller.paused()) == ([], False, 1)
        switch.unlink()
        assert (await waiting).status == 200
    assert caller.paused() == 0
    assert [line["event"] for line in logs] == ["creation-paused", "creation-resumed"]


async def test_what_waits_for_it_gives_way_to_a_cancel(tmp_path: Path) -> None:
    (tmp_path / "paused").touch()
    caller = Caller(FakeApi(), pause_file=tmp_path / "paused")

    async def cancelled(_seconds: float) -> None:
        raise GivesWay

    with pytest.raises(GivesWay):
        await caller.submitter.submit(submission(PLAIN), confirm=caller.confirm, sleep=cancelled)


async def test_a_faulty_submission_is_refused_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "paused").touch()
    assert (await Caller(FakeApi(), pause_file=tmp_path / "paused").submit(submission({"gpu": -1}))).status == 400


async def test_what_is_under_way_is_finished(tmp_path: Path) -> None:
    switch, api = tmp_path / "paused", FakeApi()
    caller = Caller(api, pause_file=switch)
    caller.on_confirm = switch.touch
    assert (await caller.submit(submission(RICH))).status == 200
    assert api.names() == RICH_OBJECTS


async def test_the_switch_is_seen_while_nobody_submits_anything(tmp_path: Path) -> None:
    caller = Caller(FakeApi(), pause_file=tmp_path / "paused")
    watching = asyncio.create_task(caller.cluster.watch())
    for is_on in (True, False):
        (tmp_path / "paused").touch() if is_on else (tmp_path / "paused").unlink()
        async with asyncio.timeout(5):
            while caller.paused() != is_on:
                await asyncio.sleep(0.001)
        assert caller.cluster.state == ("paused" if is_on else "reachable")
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_switch_in_a_folder_that_may_not_be_looked_into_is_off(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    caller = Caller(FakeApi(), pause_file=tmp_path / "a-file" / "paused")
    assert (await caller.submit(submission(PLAIN))).status == 200

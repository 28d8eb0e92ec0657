"""Logs over connections that break: one that is followed goes on, with none of its lines left out and none twice."""

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from job_submission import AsyncClient
from job_submission._async import following
from job_submission.errors import LogBrokeOff
from job_submission.log_lines import FollowedLog
from job_submission.reasons import LogsGone, LogsUnavailable
from tests.unit.client.test_connection import error, serving

STAMP = "2026-11-26T18:00:{:02d}.000000000Z"
LINES = st.lists(st.tuples(st.integers(0, 9), st.text("a [é", max_size=3)), max_size=12)


def written(pod: str | None, lines: list[tuple[int, str]]) -> list[bytes]:
    """The lines of a pod as the service gives them, each with its time, in order; of one alone without its name."""
    prefix = "" if pod is None else f"[{pod}] "
    return [f"{prefix}{STAMP.format(at)} {text}\n".encode() for at, text in lines]


@given(LINES.map(sorted), LINES.map(sorted), st.lists(st.integers(0, 900), max_size=5), st.integers(0, 5))
def test_a_log_over_any_number_of_connections_has_each_line_once(first, second, cuts, retried):
    """The retry makes a second pod, whose lines are later; from then on both are named."""
    second = [(at + 10, text) for at, text in second]
    log, told = FollowedLog({"follow": True}), []
    for number, cut in enumerate([*cuts, None]):
        has_retried = number >= min(retried, len(cuts))
        lines = written("a", first) + written("b", second) if has_retried else written(None, first)
        log.begin(0)
        octets = b"".join(lines)[:cut]
        for piece in (octets[: len(octets) // 2], octets[len(octets) // 2 :]):
            told += log.feed(piece)
    told += log.end()
    assert [line.removeprefix("[a] ") for line in told if not line.startswith("[b] ")] == [text for _, text in first]
    assert [line for line in told if line.startswith("[b] ")] == [f"[b] {text}" for _, text in second]


@pytest.mark.parametrize(
    ("options", "given", "asked"),
    [
        ({}, b"", {}),
        ({"tailLines": 5}, b"", {"tailLines": 5}),
        ({"tailLines": 5}, b"".join(written(None, [(1, "x")])), {"tailLines": None}),
        ({"tailLines": 0}, b"", {"tailLines": None, "sinceSeconds": 8}),
        ({"sinceSeconds": 60}, b"", {"sinceSeconds": 68}),
    ],
)
def test_what_is_asked_for_again_is_the_same_part_of_the_log(options, given, asked):
    log = FollowedLog(options)
    assert log.begin(0) == {**options, "timestamps": True}
    list(log.feed(given))
    assert log.begin(7.2) == {**asked, "timestamps": True}


def printing(*lines: bytes, breaks: bool = False):
    """Answer with a log that ends, or breaks off."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if breaks:
            request.transport.close()
        return response

    return answer


ONE, TWO, THREE = written(None, [(1, "one"), (2, "two"), (3, "three")])


async def test_a_log_that_is_followed_goes_on_where_the_connection_broke():
    answers = (
        printing(ONE, TWO[:-2], breaks=True),
        "cut",
        error(503, "LogsUnavailable"),
        printing(ONE, TWO, breaks=True),
        printing(breaks=True),
        printing(ONE, TWO, THREE),
    )
    async with serving(*answers) as (script, url), AsyncClient(url) as client:
        lines = [line async for line in client.log_lines("team-a", "x", {"follow": True, "tailLines": 5})]
        assert lines == ["one", "two", "three"]
    first, *more = [path for _, path, _, _ in script.requests]
    assert first == "/base/api/v1/jobs/team-a/x/logs?follow=true&tailLines=5&timestamps=true"
    assert set(more) == {"/base/api/v1/jobs/team-a/x/logs?follow=true&timestamps=true"}


async def test_times_that_were_asked_for_stay():
    async with serving(printing(ONE, breaks=True), printing(ONE, TWO)) as (_, url), AsyncClient(url) as client:
        lines = [line async for line in client.log_lines("team-a", "x", {"follow": True, "timestamps": True})]
    assert lines == [ONE.decode().rstrip(), TWO.decode().rstrip()]


async def test_a_log_whose_rest_is_gone_is_no_log_that_ended():
    answers = (printing(ONE, breaks=True), error(410, "LogsGone"))
    async with serving(*answers) as (_, url), AsyncClient(url) as client:
        lines = client.log_lines("team-a", "x", {"follow": True})
        assert await anext(lines) == "one"
        with pytest.raises(LogBrokeOff, match="the rest of the log of team-a/x is gone") as broken:
            await anext(lines)
    assert isinstance(broken.value.__cause__, LogsGone)


async def test_a_log_that_never_gets_further_is_given_up():
    async with serving(*[printing(ONE, breaks=True)] * 99) as (_, url), AsyncClient(url, retry_seconds=0.1) as client:
        lines = client.log_lines("team-a", "x", {"follow": True})
        assert await anext(lines) == "one"
        with pytest.raises(LogBrokeOff, match="team-a/x broke off"):
            await anext(lines)


async def test_a_quiet_log_whose_connection_is_dead_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.05)

    async def dead(request: web.Request) -> web.StreamResponse:
        response = await printing(ONE)(request)
        while request.transport is not None and not request.transport.is_closing():
            await following.asyncio.sleep(0.01)
        return response

    async with serving(dead, printing(ONE, TWO)) as (_, url), AsyncClient(url) as client:
        assert [line async for line in client.log_lines("team-a", "x", {"follow": True})] == ["one", "two"]


async def test_a_refusal_before_the_first_line_is_one():
    async with serving(error(503, "LogsUnavailable")) as (_, url), AsyncClient(url) as client:
        with pytest.raises(LogsUnavailable):
            await anext(client.log_lines("team-a", "x", {"follow": True}))


async def test_a_log_that_is_not_followed_and_breaks_off_is_no_log_that_ended():
    async with serving(printing(b"one\ntwo\nthr", breaks=True)) as (script, url), AsyncClient(url) as client:
        lines = client.log_lines("team-a", "x", {"tailLines": 5, "pod": None})
        assert [await anext(lines), await anext(lines)] == ["one", "two"]
        with pytest.raises(LogBrokeOff, match="team-a/x broke off"):
            await anext(lines)
    assert script.requests[0][1] == "/base/api/v1/jobs/team-a/x/logs?tailLines=5"

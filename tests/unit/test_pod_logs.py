"""Logs of one container: whole lines, none left out and none twice, however often the connection breaks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kube import ApiError, ApiUnreachable, pod_logs
from service.kube.pod_logs import MAX_LINE_BYTES, LineEditor
from service.spec.log_request import LogRequest
from tests.unit import log_servers
from tests.unit.log_servers import Container, stamp

TEXT = st.text("ab 1\r\t", max_size=6)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_logs, "RETRY_SECONDS", (0.001, 0.001))


async def followed(logs: pod_logs.PodLogs, container: Container, request: LogRequest, prefix: bytes = b"") -> list[str]:
    chunks = [chunk async for chunk in logs.follow("n", "pod", "job", request, lambda: not container.runs, prefix)]
    return b"".join(chunks).decode().splitlines()


@given(st.lists(TEXT), st.lists(st.integers(1, 9)), st.booleans())
def test_a_stream_in_any_pieces_gives_the_same_lines_each_with_its_prefix(
    texts: list[str], cuts: list[int], ends: bool
):
    whole = "\n".join(texts) + ("\n" if ends else "")
    rest, pieces = whole.encode(), []
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    editor = LineEditor(b"> ")
    edited = b"".join([*map(editor.feed, [*pieces, rest]), editor.finish()]).decode()
    lines = whole.split("\n")
    assert edited == "".join(f"> {line}\n" for line in (lines if lines[-1] else lines[:-1]))


def test_of_a_line_without_end_no_more_than_a_bound_is_kept():
    editor, edited = LineEditor(b"> "), b""
    for _ in range(50):
        edited += editor.feed(b"x" * 10_000)
        assert len(editor._rest) <= MAX_LINE_BYTES
    assert edited + editor.feed(b"end\nnext\n") == b"> " + b"x" * 500_000 + b"end\n> next\n"


def test_a_long_line_has_one_prefix_and_ends_once():
    editor, line = LineEditor(b"> "), b"x" * 300_000
    edited = editor.feed(line) + editor.feed(line) + editor.feed(b"\nnext") + editor.finish()
    assert edited == b"> " + line + line + b"\n> next\n"


async def test_what_was_printed_is_read_as_it_is(tmp_path: Path):
    async with log_servers.pod_logs(tmp_path) as (server, logs):
        server.pods["pod"] = Container([(1, "one"), (2, ""), (3, "three")])
        read = b"".join([chunk async for chunk in logs.read("n", "pod", "job", LogRequest(tail_lines=2))])
    assert read == b"\nthree\n"
    assert server.asked == [{"container": "job", "tailLines": "2"}]


@pytest.mark.parametrize(
    ("request_", "query"),
    [
        (LogRequest(), {}),
        (LogRequest(timestamps=True, since_seconds=5), {"timestamps": "true", "sinceSeconds": "5"}),
        (LogRequest(previous=True, tail_lines=0), {"previous": "true", "tailLines": "0"}),
    ],
)
async def test_what_is_asked_for_is_asked_of_the_api_server(
    tmp_path: Path, request_: LogRequest, query: dict[str, str]
):
    async with log_servers.pod_logs(tmp_path) as (server, logs):
        server.pods["pod"] = Container(refusals=[(400, "no")])
        with pytest.raises(ApiError, match="no"):
            _ = [chunk async for chunk in logs.read("n", "pod", "job", request_)]
    assert server.asked == [{"container": "job", **query}]


async def test_a_log_that_breaks_off_is_no_whole_log(tmp_path: Path):
    async with log_servers.pod_logs(tmp_path) as (server, logs):
        server.pods["pod"] = Container([(1, "one"), (2, "two")], breaks_after=[5])
        with pytest.raises(ApiUnreachable):
            _ = [chunk async for chunk in logs.read("n", "pod", "job", LogRequest())]


@given(
    texts=st.lists(st.tuples(st.integers(0, 2), TEXT.filter(lambda text: "\r" not in text)), min_size=1, max_size=12),
    breaks=st.lists(st.integers(0, 200), max_size=8),
    timestamps=st.booleans(),
)
async def test_however_often_it_breaks_a_followed_log_has_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[int, str]], breaks: list[int], timestamps: bool
):
    container, second = Container(breaks_after=breaks), 0
    for pause, text in texts:  # several lines in one second, and even at one time
        second += pause
        container.print(text, second=second)
    async with log_servers.pod_logs(tmp_path_factory.mktemp("logs")) as (server, logs):
        server.pods["pod"] = container
        told = await followed(logs, container, LogRequest(follow=True, timestamps=timestamps))
    assert told == [f"{stamp(at)} {text}" if timestamps else text for at, text in container.lines]


async def test_refusals_that_pass_are_waited_out_and_others_are_told(tmp_path: Path):
    async with log_servers.pod_logs(tmp_path) as (server, logs):
        container = server.pods["pod"] = Container([(1, "one")], refusals=[(503, "starting"), (429, "too many")])
        assert await followed(logs, container, LogRequest(follow=True), b"[pod] ") == ["[pod] one"]
        container.refusals = [(400, "container x is not valid for pod pod")]
        with pytest.raises(ApiError, match="not valid"):
            await followed(logs, container, LogRequest(follow=True))


async def test_a_log_whose_container_runs_is_asked_for_again_though_it_ended_well(tmp_path: Path):
    """As it does when the kubelet is restarted."""
    async with log_servers.pod_logs(tmp_path) as (server, logs):
        container = server.pods["pod"] = Container([(1, "one")])
        looks = iter([False, False, True])
        chunks = [chunk async for chunk in logs.follow("n", "pod", "job", LogRequest(follow=True), lambda: next(looks))]
        assert (chunks, len(server.asked)) == ([b"one\n"], 3)
        assert container.lines == [(1, "one")]

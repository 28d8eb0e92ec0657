"""What the tests of logs rely on in an API server: one suite for the real one with its kubelet, and for the fake."""

import re
from collections.abc import AsyncGenerator
from typing import Any, Protocol

import pytest

from service.kube import ApiError, KubeReader

NAMESPACE = "runai-team-a"
TEXTS = ("one", "", "two  ", "three")
WHOLE = b"one\n\ntwo  \nthree\n"
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (.*)")


class Printing(Protocol):
    """Pods of one container, `job`, and their logs."""

    reader: KubeReader
    ended: str
    """A pod that has printed TEXTS and ended: the last more than a second after the others."""

    async def begin(self) -> str:
        """Start a pod that prints `begun` and runs on."""

    async def end(self, pod: str) -> None:
        """Have it print `ended` and end."""


def log(printing: Printing, pod: str, **query: str) -> AsyncGenerator[bytes, None]:
    return printing.reader.log(NAMESPACE, pod, {"container": "job", **query})


async def whole(printing: Printing, pod: str, **query: str) -> bytes:
    return b"".join([chunk async for chunk in log(printing, pod, **query)])


async def stamped(printing: Printing, **query: str) -> list[Any]:
    """Lines with their timestamps."""
    text = (await whole(printing, printing.ended, timestamps="true", **query)).decode()
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    assert None not in found, text
    return [line.groups() for line in found if line is not None]


class LogContract:
    """Tests of a `printing` fixture."""

    async def test_a_log_is_what_the_container_printed(self, printing: Printing):
        assert await whole(printing, printing.ended) == WHOLE

    @pytest.mark.parametrize(("lines", "text"), [("0", b""), ("2", b"two  \nthree\n"), ("9", WHOLE)])
    async def test_its_last_lines(self, printing: Printing, lines: str, text: bytes):
        assert await whole(printing, printing.ended, tailLines=lines) == text

    async def test_each_line_has_its_time(self, printing: Printing):
        lines = await stamped(printing)
        assert tuple(text for _, text in lines) == TEXTS
        assert [stamp for stamp, _ in lines] == sorted(stamp for stamp, _ in lines)

    async def test_since_a_time_means_since_the_whole_second(self, printing: Printing):
        """So that what goes on from a timestamp gets lines once more that it has had."""
        lines = await stamped(printing)
        last = lines[-1][0]
        assert lines[0][0][:19] < last[:19], "the last is of another second"
        assert await stamped(printing, sinceTime=last) == [line for line in lines if line[0][:19] >= last[:19]]

    async def test_what_is_followed_comes_as_it_is_printed_and_ends_with_the_container(self, printing: Printing):
        pod = await printing.begin()
        chunks = log(printing, pod, follow="true")
        assert await anext(chunks) == b"begun\n"
        await printing.end(pod)
        assert b"".join([chunk async for chunk in chunks]) == b"ended\n"

    async def test_what_has_ended_is_followed_to_its_end(self, printing: Printing):
        assert await whole(printing, printing.ended, follow="true") == WHOLE

    @pytest.mark.parametrize(
        ("pod", "query", "status", "reason", "message"),
        [
            ("nobody", {}, 404, "NotFound", 'pods "nobody" not found'),
            (None, {"container": "proxy"}, 400, "BadRequest", "container proxy is not valid for pod {pod}"),
            (
                None,
                {"previous": "true"},
                400,
                "BadRequest",
                'previous terminated container "job" in pod "{pod}" not found',
            ),
        ],
    )
    async def test_a_log_that_there_is_not(self, printing: Printing, pod, query, status, reason, message):
        asked = pod or printing.ended
        with pytest.raises(ApiError) as refused:
            await whole(printing, asked, **query)
        answer = refused.value.answer
        assert (answer.status, answer.reason, answer.message) == (status, reason, message.format(pod=asked))

"""The tokens file as it changes: what is revoked is revoked, also where the new file is faulty."""

import asyncio
import os
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.auth import watched_file
from service.auth.tokens_file import TokensFile
from service.auth.watched_file import UnreadableFile
from service.submission.rejection import SubmissionRejected

SECRET = "a-token-in-plain-text"


def tokens_of(user: str) -> str:
    return f'{{"tokens": [{{"sha256": "{sha256(user.encode()).hexdigest()}", "user": "{user}", "projects": ["*"]}}]}}'


FAULTY = {
    "empty": "",
    "no JSON": f'{{"tokens": [{{"user": "{SECRET}"',
    "a field missing": f'{{"tokens": [{{"user": "{SECRET}", "projects": ["*"]}}]}}',
    "a field misspelt": tokens_of("mary").replace('"user"', f'"{SECRET}"'),
    "the token itself": f'{{"tokens": [{{"sha256": "{SECRET}", "user": "mary", "projects": ["*"]}}]}}',
    "no text": b"\xff\xfe" + SECRET.encode(),
    "another list": f'["{SECRET}"]',
}


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


class Watched:
    """A tokens file that is watched closely."""

    def __init__(self, path: Path, grace: float) -> None:
        self.told: list[int] = []
        self.path = path
        self.tokens = TokensFile(path, grace, self.told.append)

    async def user(self) -> str | int:
        """The user whose token is good, or the status of the refusal."""
        status = 0
        for user in ("john", "mary"):
            try:
                return (await self.tokens.verify(user)).user
            except SubmissionRejected as refused:
                status = refused.rejection.status
        return status

    async def until(self, told: list[int]) -> None:
        async with asyncio.timeout(5):
            while self.told != told:
                await asyncio.sleep(0.005)

    async def __aenter__(self) -> "Watched":
        self._watching = asyncio.create_task(self.tokens.watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)


@pytest.fixture(autouse=True)
def _closely(monkeypatch):
    monkeypatch.setattr(watched_file, "LOOK_SECONDS", 0.01)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tokens"
    write(path, tokens_of("john"))
    return path


async def test_a_change_counts_also_where_the_file_keeps_its_times(path):
    before = path.stat()
    async with Watched(path, grace=60) as watched:
        assert await watched.user() == "john"
        write(path, tokens_of("mary"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        async with asyncio.timeout(5):
            while await watched.user() != "mary":
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("content", [*FAULTY.values(), None], ids=[*FAULTY, "missing"])
async def test_a_file_that_cannot_be_read_any_more_is_told_and_lets_nobody_in_after_a_while(path, content, monkeypatch):
    with capture_logs() as logs:
        async with Watched(path, grace=60) as watched:
            path.unlink() if content is None else write(path, content)
            await watched.until(told=[0, 1])
            assert (await watched.user(), watched.tokens.usable) == ("john", True)
            monkeypatch.setattr(watched.tokens, "_expires", 0.0)  # a minute later
            assert (await watched.user(), watched.tokens.usable) == (503, False)
            write(path, tokens_of("mary"))
            await watched.until(told=[0, 1, 0])
            assert (await watched.user(), watched.tokens.usable) == ("mary", True)
    assert [line["event"] for line in logs] == ["tokens-unreadable", "tokens-read"]
    assert SECRET not in str(logs)


async def test_a_file_that_hangs_is_one_that_cannot_be_read(path, monkeypatch):
    monkeypatch.setattr(watched_file, "READ_SECONDS", 0.02)
    goes_on = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Watched(path, grace=0) as watched:
        read = watched.tokens._read
        monkeypatch.setattr(
            watched.tokens,
            "_read",
            lambda: (asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(), read())[1],
        )
        await watched.until(told=[0, 1])
        assert await watched.user() == 503
        goes_on.set()
        await watched.until(told=[0, 1, 0])
        assert await watched.user() == "john"


async def test_a_read_that_fails_for_any_other_reason_ends_no_watch(path, monkeypatch):
    def fail() -> bytes:
        raise RuntimeError("can't start new thread")

    async with Watched(path, grace=60) as watched:
        with monkeypatch.context() as starved:
            starved.setattr(watched.tokens, "_read", fail)
            await watched.until(told=[0, 1])
        write(path, tokens_of("mary"))
        await watched.until(told=[0, 1, 0])
        assert await watched.user() == "mary"


@pytest.mark.parametrize("content", [*FAULTY.values(), None], ids=[*FAULTY, "missing"])
def test_a_file_that_cannot_be_read_at_the_start_is_an_error_with_nothing_of_its_text(path, content):
    path.unlink() if content is None else write(path, content)
    with pytest.raises(UnreadableFile) as caught:
        TokensFile(path, 60, lambda told: None)
    assert str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_error_says_where_the_fault_is(path):
    write(path, tokens_of("john").replace('"user"', '"use"'))
    with pytest.raises(UnreadableFile, match=r"^tokens\[0\]\.user: Field required$"):
        TokensFile(path, 60, lambda told: None)

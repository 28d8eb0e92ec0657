"""The parts of `bootstrap` that stand alone: the tokens file as it changes, and connections that say nothing."""

import asyncio
import os
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service import bootstrap
from service.auth.tokens import TokensFile
from service.bootstrap import listening


def write(path: Path, text: str, at: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(at, at))


def tokens_of(user: str) -> str:
    return f'{{"tokens": [{{"sha256": "{sha256(user.encode()).hexdigest()}", "user": "{user}", "projects": ["*"]}}]}}'


def users(tokens: TokensFile) -> list[str]:
    return [token.user for token in tokens().tokens]


def test_the_tokens_are_read_anew_when_they_change(tmp_path):
    path = tmp_path / "tokens"
    write(path, tokens_of("john"), 1)
    tokens = TokensFile(path)
    assert users(tokens) == ["john"]
    write(path, tokens_of("mary"), 2)
    assert users(tokens) == ["mary"]


@pytest.mark.parametrize("broken", ["", '{"tokens": [', '{"tokens": [{"user": "mary"}]}', None])
def test_a_change_that_cannot_be_read_keeps_the_last_good_tokens(tmp_path, broken):
    path = tmp_path / "tokens"
    write(path, tokens_of("john"), 1)
    tokens = TokensFile(path)
    if broken is None:
        path.unlink()
    else:
        write(path, broken, 2)
    with capture_logs() as logs:
        assert (users(tokens), users(tokens)) == (["john"], ["john"])
    assert [line["event"] for line in logs] == ["tokens-unreadable"]
    write(path, tokens_of("mary"), 3)
    assert users(tokens) == ["mary"]


@pytest.mark.parametrize("text", [None, "", '{"tokens": [{"user": "mary"}]}'])
def test_tokens_that_cannot_be_read_at_the_start_are_an_error(tmp_path, text):
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text)
    with pytest.raises((OSError, ValueError)):
        TokensFile(path)


@pytest.mark.parametrize("sent", [b"", b"POST /api/job HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_connection_without_a_whole_request_is_closed(monkeypatch, sent):
    monkeypatch.setattr(bootstrap, "KEEP_ALIVE_SECONDS", 0.05)
    async with listening(web.Application(), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

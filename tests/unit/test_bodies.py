"""Bodies on their way: slow ones hold no place, and one too many costs the user with the most of them the oldest."""

import asyncio
import contextlib

import pytest

from tests.unit.running_ingress import BODY, RunningIngress, answer, running

HALF = len(BODY) // 2


@contextlib.asynccontextmanager
async def slow(ingress: RunningIngress, user: str):
    """A POST whose body stops half-way."""
    async with ingress.connection() as (reader, writer):
        head = f"POST /api/job HTTP/1.1\r\nHost: x\r\nRA-USER: {user}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Prefer: respond-async\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:HALF])
        await writer.drain()
        await asyncio.sleep(0.02)
        yield reader, writer


async def finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    writer.write(BODY[HALF:])
    return (await answer(reader)).status


async def test_a_body_that_is_on_its_way_takes_no_place():
    async with running(max_in_flight=1) as ingress, slow(ingress, "john") as one, slow(ingress, "john") as two:
        assert (await ingress.send("RA-USER: john", "Prefer: respond-async")).status == 202
        assert [await finish(*one), await finish(*two)] == [202, 202]


async def test_one_too_many_costs_the_user_with_the_most_the_oldest():
    async with (
        running(max_partial_bodies=3) as ingress,
        slow(ingress, "mary") as marys,
        slow(ingress, "john") as first,
        slow(ingress, "john") as second,
        slow(ingress, "lisa") as lisas,
    ):
        refused = await answer(first[0])
        assert (refused.status, refused.body["reason"]) == (429, "TooManyRequests")
        assert (refused.headers["Connection"], refused.headers["Retry-After"]) == ("close", "5")
        assert [await finish(*each) for each in (marys, second, lisas)] == [202, 202, 202]


async def test_bodies_that_came_with_their_headers_cost_nobody_anything():
    async with running(max_partial_bodies=1) as ingress, slow(ingress, "john") as one:
        for _ in range(3):
            assert (await ingress.send("RA-USER: john", "Prefer: respond-async")).status == 202
        assert await finish(*one) == 202


async def test_a_body_that_does_not_arrive():
    async with running(read_timeout_seconds=0.05) as ingress, slow(ingress, "john") as (reader, _):
        late = await answer(reader)
        assert (late.status, late.body["reason"], late.headers["Connection"]) == (408, "BodyTimeout", "close")


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
async def test_a_body_in_chunks(chunk):
    body = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (BODY[start : start + chunk] for start in range(0, len(BODY), chunk))
    )
    head = b"POST /api/job HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\nContent-Type: application/json\r\n"
    async with running() as ingress:
        answered = await ingress.raw(
            head + b"Prefer: respond-async\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
        )
        assert (answered.status, (await ingress.topic.next()).value) == (202, BODY)


@pytest.mark.parametrize("says", ["length", "chunks"])
async def test_a_body_above_the_limit_is_refused_whatever_it_says_of_its_length(says):
    head = b"POST /api/job HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: 200000\r\n\r\n" if says == "length" else b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n"
    async with running() as ingress:
        answered = await ingress.raw(head + length + bytes(200_000))
        assert (answered.status, answered.body["reason"]) == (413, "TooLarge")
        assert "65536" in answered.body["message"]


async def test_the_loop_goes_on_between_tiny_chunks():
    """The parser stops after some thousand chunks, and the reader has to let others in before it goes on."""
    head = b"POST /api/job HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\nContent-Type: application/json\r\n"
    octets = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 65_000
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with running() as ingress, ingress.connection() as (reader, writer):
        writer.write(octets)
        await writer.drain()
        counting = asyncio.create_task(others())
        writer.write(b"0\r\n\r\n")
        assert (await answer(reader)).status == 400
        counting.cancel()
    assert turns > 8

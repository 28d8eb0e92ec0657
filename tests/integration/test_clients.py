"""Clients that hang up, pack their bodies or contradict themselves: their own fault, told as such and never a 500."""

import asyncio
import gzip
import json
from urllib.parse import urlsplit

import pytest

BODY = json.dumps({"job": {"project": "team-a", "image": "quickstart"}}).encode()


async def raw(url: str, *lines: str | bytes, body: bytes = BODY) -> tuple[int, dict[str, object]]:
    """Send a request as it stands; the status and the body of the answer."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    head = ["POST /api/job HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    octets = [line.encode() if isinstance(line, str) else line for line in (*head, *lines, "Connection: close", "", "")]
    writer.write(b"\r\n".join(octets) + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(rest)


@pytest.mark.parametrize("body", [gzip.compress(BODY), gzip.compress(BODY)[:-9], b"abc"], ids=["whole", "cut", "none"])
async def test_a_packed_body_is_refused(service, body):
    answer = await raw(service.url, "RA-USER: john", "Content-Encoding: gzip", body=body)
    assert answer == (
        415,
        {
            "status": 415,
            "code": 415,
            "reason": "UnsupportedMediaType",
            "message": "the body must be sent as it is, without Content-Encoding",
        },
    )


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "GZIP", "x"])
async def test_any_way_of_packing_is_refused_alike(service, encoding):
    status, body = await raw(service.url, "RA-USER: john", f"Content-Encoding: {encoding}")
    assert (status, body["reason"]) == (415, "UnsupportedMediaType")


async def test_a_user_written_in_latin_1_is_the_one_written_in_utf_8(service, api):
    names = set()
    for octets in ("José".encode(), "José".encode("latin-1")):
        status, body = await raw(service.url, b"RA-USER: " + octets, "Idempotency-Key: latin-1")
        assert status == 200
        names.add(body["name"])
    job = await api.job(names.pop())
    assert (job["metadata"]["annotations"]["job-submission.io/user"], names) == ("José", set())


@pytest.mark.parametrize("name", ["RA-USER", "Idempotency-Key"])
async def test_a_header_with_two_values_is_refused(service, api, name):
    user = () if name == "RA-USER" else ("RA-USER: john",)
    status, body = await raw(service.url, *user, f"{name}: one", f"{name}: two")
    assert (status, body["message"]) == (400, f"{name}: must be given once, not with several values")
    assert (await raw(service.url, "RA-USER: john", *([f"{name}: john"] * 2)))[0] == 200  # said twice, it is one value


async def test_a_client_that_hangs_up_is_no_failure_of_the_service(service, http):
    async def responses() -> str:
        async with http.get(f"{service.probes}/metrics") as response:
            text = await response.text()
        return "\n".join(line for line in text.splitlines() if line.startswith("job_submission_http_responses_total"))

    before = await responses()
    for _ in range(3):
        _, writer = await asyncio.open_connection(urlsplit(service.url).hostname, urlsplit(service.url).port)
        writer.write(b"POST /api/job HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()
        await writer.wait_closed()
    while (after := await responses()) == before:
        await asyncio.sleep(0.05)
    assert 'code="500"' not in after
    assert not [line for line in service.lines if line["action"] == "request-failed"]

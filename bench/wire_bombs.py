"""Requests made to cost the most CPU before anybody has looked at a body: headers, framing, packed bodies.

Each is what goes over the wire, for a service that believes `RA-USER`; together with `bench.bombs` they are what P10
sends.
"""

import gzip
import zlib
from typing import Final

from bench.jobs import BODY, USER

PACKED: Final = gzip.compress(bytes(10_000_000)) * 30
"""300 MB of zeros in 0.3 MB, in as many members as make it quick to pack (RFC 1952, section 2.2)."""


def _post(*lines: str, body: bytes = BODY, path: str = "/api/job", content_type: str = "application/json") -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: bench", f"RA-USER: {USER}", "Prefer: respond-async"]
    head += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def _get(*lines: str, path: str = "/healthz") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: bench", *lines, "", ""]).encode()


def _chunked(chunks: bytes) -> bytes:
    return _post("Transfer-Encoding: chunked").partition(b"Content-Length")[0] + (
        b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )


WIRE_BOMBS: Final[dict[str, bytes]] = {
    "content type of semicolons": _post(content_type="application/json" + ";" * 7900),
    "content type of parameters": _post(content_type="application/json" + ";a=b" * 1900),
    "100 lines of Prefer, all commas": _post(*["Prefer: " + "," * 8000] * 100),
    "Prefer of quotes": _post("Prefer: " + '"\\' * 7500),
    "Prefer of preferences": _post("Prefer: " + "a," * 7500),
    "Idempotency-Key of backslashes": _post('Idempotency-Key: "' + "\\" * 15_000),
    "Authorization without end": _post("Authorization: Bearer " + "a" * 15_000),
    "120 headers of 100 bytes": _get(*[f"X-{number}: {'x' * 100}" for number in range(120)]),
    "headers without end": _get(*[f"X-{number}: {'x' * 8000}" for number in range(120)]),
    "many tiny headers": _get(*["a:"] * 60_000),
    "a path of escapes": _get(path="/" + "%41" * 5_000),
    "a path of slashes": _get(path="/" * 8_100),
    "a path of slashes above the limit": _get(path="/" * 15_000),
    "an id of escapes": _get(f"RA-USER: {USER}", path="/api/submissions/" + "%61" * 5_000),
    "a query of fields": _get(path="/?" + "a=b&" * 3_500),
    "chunks of one byte": _chunked(b"1\r\n \r\n" * 65_000),
    "chunks of one byte above the limit": _chunked(b"1\r\n \r\n" * 200_000),
    "chunk extensions": _chunked(b"1;" + b"a=b;" * 60_000 + b"\r\n \r\n"),
    "a body of gzip": _post("Content-Encoding: gzip", body=PACKED),
    "a body of deflate": _post("Content-Encoding: deflate", body=zlib.compress(bytes(50_000_000))),
    "a body of gzip for the probes": _get("Content-Encoding: gzip", f"Content-Length: {len(PACKED)}") + PACKED,
    "a body of gzip for nobody": _post("Content-Encoding: gzip", body=PACKED, path="/nothing"),
    "a body of 20 MB": _post(body=b" " * 20_000_000),
    "10,000 requests at once": _get() * 10_000,
    "10,000 refused requests at once": _get(path="/nothing") * 10_000,
    "no HTTP": b"\x16\x03\x01" * 80_000,
    "no HTTP, lines": b"\r\n" * 120_000,
}
"""Every request by what it is."""

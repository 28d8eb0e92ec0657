"""Request bodies made to cost the most CPU within the limit of the body: the bomb corpus.

Data for whoever measures: `python -m bench.bombs` times each body through what the ingress and the consumer do with
one (read, validate, fingerprint), the load benches send them beside healthy requests, tests check the answers.
"""

import gc
import time
from collections.abc import Callable, Iterator
from typing import Final

import orjson

from service.errors import InvalidSubmission
from service.spec.limits import Limits
from service.spec.strict_json import read_document
from service.submission.identity import fingerprint
from service.validation import validate

LIMIT: Final = 64 * 1024
"""The default of `HTTP_MAX_BODY_BYTES`."""

MAX_SECONDS: Final = 0.020
"""How long one body may hold the event loop."""

_HEAD: Final = '"project":"team-a","image":"busybox"'


def _filled(start: str, unit: Callable[[int], str], end: str, separator: str = ",") -> bytes:
    """Return a body with as many units as the limit allows."""
    parts: list[str] = []
    room = LIMIT - len(start.encode()) - len(end.encode())
    for index in range(LIMIT):
        part = unit(index) if not parts else separator + unit(index)
        room -= len(part.encode())
        if room < 0:
            break
        parts.append(part)
    return (start + "".join(parts) + end).encode()


def _job(parameter: str, brackets: str, unit: Callable[[int], str]) -> bytes:
    opening, closing = brackets[0], brackets[1]
    return _filled(f'{{"job":{{{_HEAD},"{parameter}":{opening}', unit, f"{closing}}}}}")


def _nested(levels: int, leaf: str) -> bytes:
    """Return a body with `levels` of nesting around as many leaves as fit."""
    return _filled('{"job":' + "[" * levels, lambda _: leaf, "]" * levels + "}")


def _nested_objects(levels: int, leaf: str) -> bytes:
    return _filled('{"job":' + '{"a":' * levels + "[", lambda _: leaf, "]" + "}" * (levels + 1))


def _maps() -> Iterator[tuple[str, bytes]]:
    yield "environment, right", _job("environment", "{}", lambda i: f'"A{i}":""')
    yield "environment, numbers", _job("environment", "{}", lambda i: f'"A{i}":{i}.5')
    yield "environment, wrong names", _job("environment", "{}", lambda i: f'"{i}":""')
    yield "environment, wrong values", _job("environment", "{}", lambda i: f'"A{i}":[]')
    yield "environment, both wrong", _job("environment", "{}", lambda i: f'"{i}":null')
    yield "environment, one long value of dollars", _job("environment", "{}", lambda _: '"A":"' + "$" * 65000 + '"')
    yield "volume, right", _job("volume", "{}", lambda i: f'"/{i}":"/{i}"')
    yield "volume, one path", _job("volume", "{}", lambda i: f'"/{i}":"/a"')
    yield "volume, wrong", _job("volume", "{}", lambda i: f'"{i}":"{i}"')
    yield "volume, no strings", _job("volume", "{}", lambda i: f'"{i}":0')
    yield "volume, long paths", _job("volume", "{}", lambda i: f'"/{i}":"/{"a/../" * 100}{i}"')
    yield "labels, right", _job("labels", "{}", lambda i: f'"a{i}":""')
    yield "labels, wrong", _job("labels", "{}", lambda i: f'"-{i}":0')
    yield "labels, reserved", _job("labels", "{}", lambda i: f'"x{i}.kubernetes.io/a":""')
    yield "annotations, wrong", _job("annotations", "{}", lambda i: f'"/{i}":0')


def _lists() -> Iterator[tuple[str, bytes]]:
    yield "arguments, right", _job("arguments", "[]", lambda _: '""')
    yield "arguments, wrong", _job("arguments", "[]", lambda _: "0")
    yield "arguments, lists", _job("arguments", "[]", lambda _: "[]")
    yield "arguments, objects", _job("arguments", "[]", lambda _: "{}")
    yield "command, right", _job("command", "[]", lambda _: '"a"')
    yield "command, wrong", _job("command", "[]", lambda _: "0")
    yield "command, quotes", _job("command", '""', lambda _: "'a' \\\\b")
    yield "command, one open quote", _job("command", '""', lambda _: "a b")[:-3] + b"'\"}}"
    yield "command, operators", _job("command", '""', lambda i: "a;b&&$(c)|`d`>e" if i < 1000 else " " * LIMIT)
    yield "pvc, right", _job("pvc", "[]", lambda i: f'{{"size":"1G","path":"/{i}"}}')
    yield "pvc, empty", _job("pvc", "[]", lambda _: "{}")
    yield "pvc, unknown", _job("pvc", "[]", lambda i: f'{{"siz{i}":1}}')
    yield "pvc, no objects", _job("pvc", "[]", lambda _: "0")
    yield "volumes, right", _job("volumes", "[]", lambda i: f'{{"sourcePath":"/{i}","targetPath":"/{i}"}}')
    yield "volumes, one path", _job("volumes", "[]", lambda _: '{"sourcePath":"/a","targetPath":"/a"}')
    yield "volumes, empty", _job("volumes", "[]", lambda _: "{}")
    yield "volumes, no objects", _job("volumes", "[]", lambda _: "0")
    yield "ports, right", _job("ports", "[]", lambda i: f'{{"container":{i + 1}}}')
    yield "ports, equal", _job("ports", "[]", lambda _: '{"container":1,"external":1}')
    yield "ports, empty", _job("ports", "[]", lambda _: "{}")
    yield "ports, wrong", _job("ports", "[]", lambda _: '{"container":0,"external":0,"autoGenerate":0,"x":0}')
    faulty: dict[str, object] = {name: [0] * 256 for name in ("arguments", "command")}
    faulty |= {name: {str(i): [] for i in range(256)} for name in ("environment", "volume", "labels", "annotations")}
    faulty |= {"pvc": [{"size": 0, "path": 0, "a": 0, "b": 0}] * 16, "ports": [{"container": 0, "external": 0}] * 64}
    faulty |= {"volumes": [{"sourcePath": 0, "targetPath": 0, "readOnly": 0}] * 256}
    yield "every list and map, full and wrong", orjson.dumps({"job": faulty})


def _names() -> Iterator[tuple[str, bytes]]:
    yield "unknown parameters", _filled(f'{{"job":{{{_HEAD},', lambda i: f'"p{i}":0', "}}")
    yield "unknown parameters, nearly right", _filled(f'{{"job":{{{_HEAD},', lambda i: f'"imagePullPolice{i}":0', "}}")
    yield "unknown parameters, long", _filled(f'{{"job":{{{_HEAD},', lambda i: f'"{i:0>600}":0', "}}")
    yield "one unknown parameter, very long", _filled(f'{{"job":{{{_HEAD},"', lambda _: "image", '":0}}', "")
    yield "names beside the job", _filled(f'{{"job":{{{_HEAD}}},', lambda i: f'"{i}":0', "}")
    yield "doubled names", _filled(f'{{"job":{{{_HEAD},', lambda _: '"a":0', "}}")
    yield "doubled names, in pairs", _filled(f'{{"job":{{{_HEAD},', lambda i: f'"{i // 2}":0', "}}")
    yield "doubled names, deep", _filled('{"job":' + '{"a":' * 59 + "[", lambda _: '{"":0,"":0}', "]" + "}" * 60)
    yield "doubled names, escaped", _filled(f'{{"job":{{{_HEAD},', lambda i: f'"\\u0061{i // 2}":0', "}}")
    yield "NUL characters", _job("arguments", "[]", lambda _: '"\\u0000"')
    yield "NUL characters, deep", _nested_objects(59, '"\\u0000"')
    yield "escapes", _job("arguments", "[]", lambda _: '"\\u00e9:"')


def _values() -> Iterator[tuple[str, bytes]]:
    for levels in (1, 30, 60):
        yield f"{levels} levels of lists, numbers", _nested(levels, "0")
        yield f"{levels} levels of lists, lists", _nested(levels, "[]")
        yield f"{levels} levels of objects, objects", _nested_objects(levels, "{}")
    yield "lists side by side, each 20 deep", _nested(1, "[" * 20 + "]" * 20)
    yield "numbers of many digits", _job("arguments", "[]", lambda _: "9" * 300)
    yield "one number of many digits", _filled('{"job":{"gpu":', lambda _: "9", "}}", "")
    yield "one fraction of many digits", _filled('{"job":{"gpu":0.', lambda _: "9", "}}", "")
    yield "numbers with exponents", _job("arguments", "[]", lambda _: "1e300")
    yield "lone surrogates", _job("arguments", "[]", lambda _: '"\\udc00"')
    yield "paired surrogates", _job("arguments", "[]", lambda _: '"\\ud83d\\ude00"')
    yield "four-byte characters", _job("arguments", "[]", lambda _: '"😀"')
    yield "blanks", _filled("{" + '"job":', lambda _: " ", "{}}", "")
    yield "no JSON, only openings", b"[" * LIMIT
    yield "no JSON, the last byte missing", _job("arguments", "[]", lambda _: '""')[:-1]
    yield "a long image", _filled('{"job":{"project":"a","image":"', lambda _: "a/", 'a"}}', "")
    yield "a long image of separators", _filled('{"job":{"project":"a","image":"a', lambda _: "-", 'a"}}', "")
    yield "a long memory", _filled(f'{{"job":{{{_HEAD},"memory":"', lambda _: "9", '"}}', "")
    yield "a long duration", _filled(f'{{"job":{{{_HEAD},"ttlAfterFinish":"', lambda _: "1h", '"}}', "")
    yield "a long path", _filled(f'{{"job":{{{_HEAD},"workingDir":"/', lambda _: "../", '"}}', "")
    yield "a long name", _filled('{"job":{"project":"a","image":"a","name":"a', lambda _: "-", 'a"}}', "")
    yield "a long storage class", _job("pvc", "[]", lambda _: '{"storageClass":"' + "a." * 32000 + '"}')


BOMBS: Final[dict[str, bytes]] = {
    name: body for group in (_maps(), _lists(), _names(), _values()) for name, body in group
}
"""Every body by what it is."""


def handle(body: bytes) -> InvalidSubmission | None:
    """Do what the ingress and the consumer do with one body; return how it is refused, if it is."""
    refusal = None
    try:
        validate(read_document(body), Limits())
    except InvalidSubmission as error:
        refusal = error
    fingerprint(body, LIMIT)
    return refusal


def main() -> None:
    """Print how long each body takes, the slowest first: the least of several runs, in milliseconds."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)  # as the service does
    times = {}
    for name, body in BOMBS.items():
        runs = []
        for _ in range(5):
            started = time.thread_time()
            handle(body)
            runs.append(time.thread_time() - started)
        times[name] = min(runs)
    for name, seconds in sorted(times.items(), key=lambda item: -item[1]):
        print(f"{seconds * 1000:8.1f} ms  {len(BOMBS[name]):6} bytes  {name}")
    worst = max(times.values())
    print(f"worst {worst * 1000:.1f} ms of {MAX_SECONDS * 1000:.0f}")


if __name__ == "__main__":
    main()

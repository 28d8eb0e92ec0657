"""The poison corpus: what strangers may put on the submissions topic, and how each must end.

Written from the documents (the parameters' rules, RFC 8259, CloudEvents 1.0, Kafka's record format), not from the code.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Headers = tuple[tuple[str, bytes], ...]

GOOD: Final[dict[str, Any]] = {"project": "team-a", "image": "quickstart"}
MAX_BODY: Final = 64 * 1024
"""Bytes of the longest body that is taken (the default of `HTTP_MAX_BODY_BYTES`)."""
MEGABYTE: Final = 1_000_000
"""Nearly what a broker takes by default (`message.max.bytes`, 1,048,588)."""


@dataclass(frozen=True, slots=True)
class Poison:
    """One record and its end.

    `status` is that of its outcome, None where it must become a dead letter beside an outcome of 400. `reason` has to
    occur in the outcome's message or details, and in the dead letter's message. `identity` is the (source, id) it
    brings, None for a record that is known by its offset. `timestamp` is in milliseconds since the epoch, None for now.
    """

    name: str
    value: bytes | None
    status: int | None
    reason: str
    headers: Headers = ()
    key: bytes | None = None
    identity: tuple[str, str] | None = None
    timestamp: int | None = None


def corpus(run: str) -> list[Poison]:
    """Return all of it; `run` keeps names and ids of one run apart from those of another."""
    return [*_values(), *_parameters(), *_combinations(), *_headers(run), *_keys(run), *_times(), *_harmless(run)]


def _body(**job: Any) -> bytes:
    return json.dumps({"job": {**GOOD, **job}}).encode()


# --- values that are no request --------------------------------------------------------------------------------------


def _values() -> Iterator[Poison]:
    nested = b"[" * 30_000 + b"]" * 30_000
    for name, value in {
        "tombstone": None,
        "empty": b"",
        "a blank": b" ",
        "newlines": b"\n\n\n",
        "a NUL": b"\0",
        "many NULs": b"\0" * 1000,
        "all bytes": bytes(range(256)),
        "text": b"not json",
        "a word": b"job",
        "XML": b"<job/>",
        "YAML": b"job:\n  image: i\n",
        "form": b"project=team-a&image=i",
        "two documents": _body() + _body(),
        "JSON lines": _body() + b"\n" + _body(),
        "a byte order mark": b"\xef\xbb\xbf" + _body(),
        "UTF-16": _body().decode().encode("utf-16"),
        "UTF-32": _body().decode().encode("utf-32"),
        "invalid UTF-8": b'{"job": {"project": "team-a", "image": "\xff\xfe"}}',
        "overlong UTF-8": b'{"job": {"project": "team-a", "image": "\xc0\xaf"}}',
        "CESU surrogates": b'{"job": {"project": "team-a", "image": "\xed\xa0\x80"}}',
        "truncated UTF-8": b'{"job": {"project": "team-a", "image": "\xe2\x82',
        "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        "Avro with a schema id": b"\0\0\0\0\x2a" + _body(),
        "unclosed": _body()[:-1],
        "cut in a string": _body()[:20],
        "an unclosed string": b'{"job": "',
        "trailing comma in an object": b'{"job": {"project": "team-a", "image": "i",}}',
        "trailing comma in an array": b'{"job": {"project": "team-a", "image": "i", "arguments": ["a",]}}',
        "a comment": b'{"job": {} /* nothing */}',
        "single quotes": b"{'job': {}}",
        "bare names": b"{job: {}}",
        "NaN": b'{"job": {"project": "team-a", "image": "i", "gpu": NaN}}',
        "Infinity": b'{"job": {"project": "team-a", "image": "i", "gpu": Infinity}}',
        "minus Infinity": b'{"job": {"project": "team-a", "image": "i", "cpu": -Infinity}}',
        "a leading zero": b'{"job": {"project": "team-a", "image": "i", "gpu": 01}}',
        "a plus sign": b'{"job": {"project": "team-a", "image": "i", "gpu": +1}}',
        "hexadecimal": b'{"job": {"project": "team-a", "image": "i", "gpu": 0x1}}',
        "a bare point": b'{"job": {"project": "team-a", "image": "i", "gpu": 1.}}',
        "a tab in a string": b'{"job": {"project": "team-a", "image": "a\tb"}}',
        "a newline in a string": b'{"job": {"project": "team-a", "image": "a\nb"}}',
        "a bad escape": b'{"job": {"project": "team-a", "image": "\\x41"}}',
        "a lone high surrogate": b'{"job": {"project": "team-a", "image": "\\ud800"}}',
        "a lone low surrogate": b'{"job": {"project": "team-a", "image": "\\udc00"}}',
        "surrogates the wrong way round": b'{"job": {"project": "team-a", "image": "\\udc00\\ud800"}}',
        "half an escape": b'{"job": {"project": "team-a", "image": "\\u00"}}',
        "nested arrays": nested,
        "nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "nested objects beyond the limit": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "nesting without an end": b"[" * 60_000,
        "64 KB of brackets": b"[" + b"[]," * 20_000 + b"[]]",
        "a megabyte of brackets": b"[]" * (MEGABYTE // 2),
        "a megabyte of text": b"x" * MEGABYTE,
        "a megabyte of zero bytes": b"\0" * MEGABYTE,
        "a megabyte in one string": b'"' + b"x" * MEGABYTE + b'"',
        "an array": b"[]",
        "an array with a request": b"[" + _body() + b"]",
        "a string": b'"job"',
        "a number": b"1",
        "true": b"true",
        "null": b"null",
        "a huge number": b"9" * 10_000,
        "a huge exponent": b"1e999999999",
        "a CloudEvent in structured mode": b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{}}',
    }.items():
        yield _refused(name, value)
    for name, job in {
        "no job": b"{}",
        "job is null": b'{"job": null}',
        "job is an array": b'{"job": []}',
        "job is text": b'{"job": "train"}',
        "job is a number": b'{"job": 1}',
        "job is true": b'{"job": true}',
        "job twice": b'{"job": {"project": "team-a", "image": "i"}, "job": {"project": "team-a", "image": "j"}}',
        "job and more": b'{"job": {"project": "team-a", "image": "i"}, "version": 1}',
        "Job": b'{"Job": {"project": "team-a", "image": "i"}}',
        "an empty job": b'{"job": {}}',
        "job in job": b'{"job": {"job": {"project": "team-a", "image": "i"}}}',
    }.items():
        yield _refused(name, job)
    for name, fragment in {
        "image twice": b'"image": "i", "image": "j"',
        "a variable twice": b'"image": "i", "environment": {"A": "1", "A": "2"}',
        "a NUL in a value": b'"image": "i", "environment": {"A": "a\\u0000b"}',
        "a NUL in a name": b'"image": "i", "environment": {"A\\u0000": "a"}',
        "a NUL in an argument": b'"image": "i", "arguments": ["\\u0000"]',
        "an integer of 5000 digits": b'"image": "i", "gpu": ' + b"9" * 5000,
        "a number beyond doubles": b'"image": "i", "gpu": 1e400',
        "arguments nested 5000 deep": b'"image": "i", "arguments": ' + b"[" * 5000 + b"]" * 5000,
        "a name of a megabyte": b'"image": "i", "' + b"x" * (MEGABYTE - 100) + b'": 1',
        "100,000 unknown names": b'"image": "i", ' + b", ".join(b'"x%d": 1' % n for n in range(60_000)),
        "an empty name": b'"image": "i", "": 1',
        "__proto__": b'"image": "i", "__proto__": {}',
        "a dotted name": b'"image": "i", "job.gpu": 1',
        "a name of emoji": '"image": "i", "🚀": 1'.encode(),
    }.items():
        yield _refused(name, b'{"job": {"project": "team-a", ' + fragment + b"}}")


def _refused(name: str, value: bytes | None) -> Poison:
    if value is not None and len(value) > MAX_BODY:
        return Poison(name, value, 413, str(MAX_BODY))
    return Poison(name, value, 400, "")


# --- parameters that break their rule --------------------------------------------------------------------------------

_NO_STRING: Final = (1, 1.5, True, None, ["a"], {"a": "b"})
_NO_BOOLEAN: Final[tuple[Any, ...]] = ("true", 0, 1, None, [], {})
_NO_NUMBER: Final = ("1", True, None, [1], {"a": 1})

_WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "name": (*_NO_STRING, "", "Upper", "1digit", "-a", "a-", "a_b", "a.b", "a" * 64, "ä", "a\n", "a b"),
    "jobNamePrefix": (*_NO_STRING, "", "UP", "a" * 51, "a-", "9a", "a\n"),
    "project": (*_NO_STRING, "", "../other", "a/b", "UP", "a" * 64, "team-a\n", "a.b"),
    "image": (
        "docker://ubuntu",
        "${IMAGE}",
        "Ubuntu:Latest",
        "ubuntu:",
        "a:b:c",
        "a@sha256:abc",
        *_NO_STRING,
        "",
        " ",
        "a b",
        "a\nb",
        "\u2028",
    ),
    "interactive": _NO_BOOLEAN,
    "stdin": _NO_BOOLEAN,
    "tty": (*_NO_BOOLEAN, True),  # true needs stdin
    "createHomeDir": _NO_BOOLEAN,
    "largeShm": _NO_BOOLEAN,
    "hostIpc": _NO_BOOLEAN,
    "hostNetwork": _NO_BOOLEAN,
    "elastic": _NO_BOOLEAN,
    "preemptible": _NO_BOOLEAN,
    "preventPrivilegeEscalation": _NO_BOOLEAN,
    "command": (1, True, None, {}, "", [], [1], 'echo "unclosed', "a\\", "'" * 3),
    "arguments": ("-e", 1, None, {}, [1], [None], [["a"]], [True]),
    "environment": ([], "A=1", 1, None, {"A": None}, {"A": []}, {"A": {}}, {"": "1"}, {"1A": "x"}, {"A=B": "x"}),
    "imagePullPolicy": (1, True, None, "", "Sometimes", ["Always"]),
    "workingDir": (1, None, [], "", "relative", "./a", "a/b"),
    "gpu": (*_NO_NUMBER, -1, 0.5, 1.5, 1e18, -0.1),
    "cpu": (*_NO_NUMBER, 0, -1, 1e18),
    "cpuLimit": (*_NO_NUMBER, 0, -1),
    "memory": (1, True, None, [], "", "lots", "-1G", "1XB", "1 G", "G", "0", "1m", "9" * 50, "1e99"),
    "memoryLimit": (1, None, [], "", "1GBB", "NaN"),
    "pvc": (
        *({}, "3GB", None, [1], [None], [{}], [{"size": "3GB"}], [{"path": "/a"}]),
        [{"size": "3GB", "path": "a"}],
        [{"size": 3, "path": "/a"}],
        [{"size": "x", "path": "/a"}],
        [{"size": "3GB", "path": "/a", "readOnly": "no"}],
        [{"size": "3GB", "path": "/a", "pvcname": "x"}],
        [{"size": "3GB", "path": "/a"}, {"size": "3GB", "path": "/a"}],
        [{"size": "3GB", "path": "/a", "storageClass": 1}],
    ),
    "volume": ([1], "/a:/b", None, {"a": "/b"}, {"/a": "b"}, {"/a": 1}, {"/a": None}, {"/a": "/b", "/c": "/b"}),
    "volumes": ("/a:/b", [{}], [{"sourcePath": "/a"}], [{"sourcePath": "a", "targetPath": "/b"}], None),
    "ports": (
        *({}, 80, None, [80], [{}], [{"container": 0}], [{"container": 65536}], [{"container": "80"}]),
        [{"container": 80.5}],
        [{"container": True}],
        [{"container": 80}, {"container": 80}],
        [{"container": 80, "external": 80, "autoGenerate": True}],
        [{"container": 80, "protocol": "TCP"}],
    ),
    "labels": ([], None, {"a": 1}, {"kubernetes.io/x": ""}, {"a b": ""}),
    "annotations": ("x", {"a": None}, {"gpu-fraction": "0.5"}),
    "activeDeadline": ("", "5", 0, -1, None, "0s"),
    "runAsUid": ("0", -1, True, None, 2**31),
    "runAsGid": ("0", -1, 1.5, None),
    "serviceType": (1, None, "", "headless", "nodeport"),  # nodeport needs ports
    "backoffLimit": ("1", -1, 1.5, True, None, 2**31, 10**30),
    "completions": ("1", 0, -1, 1.5, True, None, 2**31),
    "parallelism": ("1", 0, -1, True, None, 2**31, 2),  # 2 needs completions
    "ttlAfterFinish": ("", "5", "-5s", "5 s", "5d", "1h-1m", True, None, -1, 1.5, [], "9" * 20 + "s", "s"),
    "nodeType": (1, None, "", "a b", "-a", "a" * 64, "a/b", "a\n"),
}


def _parameters() -> Iterator[Poison]:
    for parameter, wrong in _WRONG.items():
        for value in wrong:
            yield Poison(f"{parameter}={json.dumps(value)[:60]}", _body(**{parameter: value}), 400, f"job.{parameter}")
    for misspelled, nearest in {
        "gpus": "gpu",
        "Image": "image",
        "cmd": "",
        "ttl": "",
        "memory_limit": "memoryLimit",
    }.items():
        yield Poison(f"unknown {misspelled}", _body(**{misspelled: "x"}), 400, nearest or f"job.{misspelled}")


def _combinations() -> Iterator[Poison]:
    for reason, job in (
        ("job.cpuLimit", {"cpu": 2, "cpuLimit": 1}),
        ("job.memoryLimit", {"memory": "2G", "memoryLimit": "1G"}),
        ("job.volumes", {"volume": {"/a": "/b"}, "volumes": [{"sourcePath": "/a", "targetPath": "/b"}]}),
        ("job.backoffLimit", {"interactive": True, "backoffLimit": 3}),
        ("job.parallelism", {"interactive": True, "parallelism": 2, "completions": 2}),
        ("job.parallelism", {"elastic": True, "gpu": 1, "parallelism": 2, "completions": 2}),
        ("job.tty", {"tty": True, "stdin": False}),
        ("job.largeShm", {"largeShm": True, "pvc": [{"size": "1G", "path": "/dev/shm"}]}),
        ("/a", {"pvc": [{"size": "1G", "path": "/a"}], "volume": {"/x": "/a"}}),
    ):
        yield Poison(f"combination {sorted(job)}", _body(**job), 400, reason if reason != "/a" else "job.volume")
    yield Poison("257 variables", _body(environment={f"V{n}": n for n in range(257)}), 400, "job.environment")
    yield Poison("unknown project", _body(project="nowhere"), 404, "namespace")
    yield Poison("two faults at once", _body(gpu="x", cpu="y"), 400, "job.cpu")


# --- headers ---------------------------------------------------------------------------------------------------------


def _headers(run: str) -> Iterator[Poison]:
    """Header values from strangers: all are refused, and a record with a broken identity is a dead letter besides."""
    good = _body()
    source = ("ce_source", f"/poison/{run}".encode())
    for name, bad in {
        "empty": b"",
        "of invalid UTF-8": b"\xff\xfe",
        "too long": b"x" * 100_000,
        "with a NUL": b"a\0b",
        "with a newline": b"a\nb",
        "with an escape sequence": b"\x1b[31m",
    }.items():
        yield Poison(f"ce_id {name}", good, None, "ce_id", (("ce_id", bad), source))
        yield Poison(f"ce_source {name}", good, None, "ce_source", (("ce_id", b"x"), ("ce_source", bad)))
        for header in ("ra-user", "correlation-id", "reply-topic", "content-type", "ce_specversion"):
            if bad:  # an empty one counts as absent, as Kafka's null does
                yield Poison(f"{header} {name}", good, 400, f"headers.{header}", ((header, bad),))
    yield Poison("two ce_ids", good, None, "ce_id", (("ce_id", b"a"), ("ce_id", b"b"), source))
    yield Poison("two ce_sources", good, None, "ce_source", (("ce_id", b"a"), source, ("ce_source", b"/b")))
    yield Poison("two users", good, 400, "headers.ra-user", (("ra-user", b"mary"), ("ra-user", b"root")))
    big = b"x" * (MEGABYTE + 47_000)
    yield Poison("two ce_ids and no room for a word", big, None, "ce_id", (("ce_id", b"a"), ("ce_id", b"b")))
    for value in (b"0.3", b"2.0", b"1.0.0", b"one"):
        yield Poison(f"ce_specversion {value!r}", good, 400, "headers.ce_specversion", (("ce_specversion", value),))
    for value in (b"text/plain", b"application/xml", b"application/cloudevents-batch+json", b"json", b"/"):
        yield Poison(f"content-type {value!r}", good, 400, "headers.content-type", (("content-type", value),))
    event = (("content-type", b"application/CloudEvents+json"),)
    yield Poison("an event that is a bare body", good, 400, "event.specversion", event)
    yield Poison("an event that is no JSON", b"no", None, "the event cannot be read", event)
    yield Poison("an event with an odd id", b'{"id": 7}', None, "the event's id must be a string", event)
    yield Poison("an event of a megabyte", b"[" * MEGABYTE, 413, "larger", event)
    yield Poison("two spellings of an id", good, None, "ce_id", (("ce_id", b"a"), ("CE-ID", b"b")))
    for value in (b"-1", b"1.5", b"x", b"99999999999999999999", b"\xd9\xa1"):  # the last is a digit in Arabic
        yield Poison(f"reply-partition {value!r}", good, 400, "headers.reply-partition", (("reply-partition", value),))
    for value in (b"a/b", b"..", b"x" * 250, b"a b"):
        yield Poison(f"reply-topic {value[:20]!r}", good, 400, "headers.reply-topic", (("reply-topic", value),))
    for number, header in enumerate(("x" * 10_000, "", "ce_", "ceid", "\u202e", "kafka_deliveryAttempts")):
        own = (("ce_id", f"{run}-odd-{number}".encode()), source)
        identity = (f"/poison/{run}", f"{run}-odd-{number}")
        yield Poison(f"odd header {header[:20]!r}", b"no", 400, "", ((header, b"\xff" * 10), *own), identity=identity)
    yield Poison("256 headers", b"no", 400, "", tuple((f"h{n}", b"v") for n in range(256)))
    many = "more than 256 headers"
    yield Poison("10,000 headers", b"no", 413, many, tuple((f"h{n}", b"v") for n in range(10_000)))
    yield Poison("100,000 headers", b"no", 413, many, tuple((f"h{n}", b"") for n in range(100_000)))
    yield Poison("a header of half a megabyte", b"no", 400, "", (("h", b"v" * 500_000),))
    for value in (b"", b"\xff\xff\xff\xff", b"\0\0\0\1", b"many", b"\x7f\xff\xff\xff"):
        yield Poison(f"kafka_deliveryAttempt {value!r}", b"no", 400, "", (("kafka_deliveryAttempt", value),))


def _keys(run: str) -> Iterator[Poison]:
    """Keys mean nothing but a partition."""
    for number, key in enumerate((b"", b"\0", b"\xff" * 100, b"x" * 100_000, b"a" * 52, b"null")):
        own_id = f"{run}-key-{number}"
        headers = (("ce_id", own_id.encode()), ("ce_source", f"/poison/{run}".encode()))
        yield Poison(f"key {key[:10]!r}", b"no", 400, "", headers, key, (f"/poison/{run}", own_id))


def _times() -> Iterator[Poison]:
    """The time that counts is the broker's (`LogAppendTime`): a producer's clock may be anywhere."""
    yield Poison("from 1970", _body(), 200, "job-", timestamp=0)
    yield Poison("from 2001", _body(), 200, "job-", timestamp=10**12)


def _harmless(run: str) -> Iterator[Poison]:
    """What looks odd and is allowed must still become a Job."""
    for number, (name, headers) in enumerate(
        {
            "traceparent of rubbish": (("traceparent", b"\xff\0"),),
            "an empty user": (("ra-user", b""),),
            "a user of emoji": (("ra-user", "🚀".encode()),),
            "a reply topic that is not allowed": (("reply-topic", b"__consumer_offsets"),),
            "a reply partition without a topic": (("reply-partition", b"3"),),
            "the same header twice": (("ra-user", b"mary"), ("ra-user", b"mary")),
            "somebody's dead-letter headers": (("kafka_dlt-original-offset", b"x"), ("kafka_dlt-exception-fqcn", b"")),
        }.items()
    ):
        own_id = f"{run}-fine-{number}"
        own = (("ce_id", own_id.encode()), ("ce_source", f"/poison/{run}".encode()))
        yield Poison(name, _body(), 200, "job-", (*headers, *own), identity=(f"/poison/{run}", own_id))
    yield Poison("an environment of 256 variables", _body(environment={f"V{n}": n for n in range(256)}), 200, "job-")
    yield Poison("an argument of 60 KB", _body(arguments=["x" * 60_000]), 200, "job-")
    yield Poison(
        "every escape", json.dumps({"job": {**GOOD, "arguments": ['\u2028\U0001f680\\"\t']}}).encode(), 200, "job-"
    )
    yield Poison("blanks around", b" \r\n\t" + _body() + b" \r\n\t", 200, "job-")

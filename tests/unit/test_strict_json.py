"""JSON bytes: what is read, what is refused and where, and that nothing else can happen."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MAX_FAULTS, Fault, InvalidSubmission
from service.spec.strict_json import MAX_DEPTH, field_path, read_document
from service.submission import rejections

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # every character but NUL and the surrogates, which have no UTF-8
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), inner)
    ),
    max_leaves=20,
)


def faults(body: bytes) -> tuple[Fault, ...]:
    with pytest.raises(InvalidSubmission) as refusal:
        read_document(body)
    return refusal.value.faults


def nested(levels: int) -> bytes:
    """An object that nests arrays and objects `levels` deep."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"{}", {}),
        (
            b' {"job" : {"gpu" : 1, "cpu": 0.5, "name": "\\u00e9\xc3\xa9"}}\n',
            {"job": {"gpu": 1, "cpu": 0.5, "name": "éé"}},
        ),
        (b'{"a": {"b": 1}, "b": {"b": 1}}', {"a": {"b": 1}, "b": {"b": 1}}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (nested(MAX_DEPTH), json.loads(nested(MAX_DEPTH))),
        (b'{"a": [' + b"[]," * 100 + b"[]]}", {"a": [[] for _ in range(101)]}),
        (b'{"a": ' + b"9" * 100 + b"}", {"a": 1e100}),
        (b'{"a": [' + b"0," * 8189 + b"0]}", {"a": [0] * 8190}),
        (b'{"a": "' + b"[,{" * 9000 + b'"}', {"a": "[,{" * 9000}),
        (b'{"a": "' + b'\\",' * 9000 + b'"}', {"a": '",' * 9000}),
    ],
)
def test_a_document(body: bytes, document: dict[str, Any]):
    assert read_document(body) == document


SHAPE = 'The body must be a JSON object such as {"job": {"project": "team-a", "image": "python"}}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b"{", "cannot be read as JSON: unexpected end of data, at line 1, column 2"),
        (b'{"a": 1,\n"b": [1, 2,]}', "cannot be read as JSON: trailing comma is not allowed, at line 2, column 11"),
        (b'{"a": NaN}', "cannot be read as JSON: unexpected character, expected a JSON value, at line 1, column 7"),
        (b'{"a": "\\ud800"}', "cannot be read as JSON: no low surrogate in string, at line 1, column 8"),
        (b'{"a": "\0"}', "cannot be read as JSON: unexpected control character in string, at line 1, column 8"),
        (b"{'a': 1}", "cannot be read as JSON: unexpected character, expected a string key, at line 1, column 2"),
        (b"{} {}", "cannot be read as JSON: unexpected content after document, at line 1, column 4"),
        (b'{"a": 1e999}', "cannot be read as JSON: number is infinity when parsed as double, at line 1, column 7"),
        (
            b'{"a": ' + b"9" * 5000 + b"}",
            "cannot be read as JSON: number is infinity when parsed as double, at line 1, column 7",
        ),
        (b"[" * 8000, "cannot be read as JSON: depth limit exceeded, at line 1, column 1026"),
        (b'{"a":' * 8000, "cannot be read as JSON: depth limit exceeded, at line 1, column 5122"),
        (nested(MAX_DEPTH + 1), "must nest its objects and arrays at most 64 levels deep"),
        (b"[" * 65536, "must hold at most 8192 values"),
        (b'{"a": [' + b"0," * 8191 + b"0]}", "must hold at most 8192 values"),
        (b'{"a": "\\\\\\"", "b": [' + b"0," * 8191 + b"0]}", "must hold at most 8192 values"),
        (nested(1000), "must nest its objects and arrays at most 64 levels deep"),
        (b'{"a": "\xff"}', "must be UTF-8: byte 8 is none"),
        (b"\xff\xfe{\0}\0", "must be UTF-8: byte 1 is none"),
        (b'{"a": "\xed\xa0\x80"}', "must be UTF-8: byte 8 is none"),
    ],
)
def test_no_document(body: bytes, message: str):
    assert faults(body) == (Fault("", f"The body {message}"),)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"job"', b"1", b"true", b'[{"job": {}}]'])
def test_no_object(body: bytes):
    assert faults(body) == (Fault("", SHAPE),)


def test_a_byte_order_mark_is_no_json():
    assert [fault.path for fault in faults(b"\xef\xbb\xbf{}")] == [""]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"a": 1, "a": 1}', ["a"]),
        (b'{"job": {"image": "i", "gpu": 1, "image": "j"}}', ["job.image"]),
        (
            b'{"job": {"pvc": [{}, {"size": 1, "size": 2}], "volume": {"/a": "", "\\u002fa": ""}}}',
            ["job.pvc[1].size", "job.volume[/a]"],
        ),
        (b'{"a": {"b": 1, "b": 2}, "a": {"c": 1, "c": 2, "d": 1, "d": 1}}', ["a", "a.c", "a.d"]),
        (b'{"a": {"b": 1, "b": 2}, "a": 1}', ["a"]),
        (b'{"a": "x:y", "a": ":"}', ["a"]),
        (b'{"a": "\\u003a", "b": 1, "b": 1}', ["b"]),  # the colon written back makes up for the one that is lost
        (b'{"": ' + b"9" * 300 + b', "": 1}', ["[]"]),
    ],
)
def test_names_given_twice(body: bytes, paths: list[str]):
    assert faults(body) == tuple(Fault(path, "is given more than once; give it once") for path in paths)


def test_nul_characters():
    assert faults(b'{"job": {"image": "a\\u0000b", "x\\u0000": 1, "pvc": ["\\u0000"], "fine": "\\\\u0000"}}') == tuple(
        Fault(path, "must have no NUL character (\\u0000)") for path in ("job.image", "job[x\0]", "job.pvc[0]")
    )


def test_every_kind_of_fault_is_told_at_once():
    assert [fault.path for fault in faults(b'{"a": 1, "a": 1, "b": "\\u0000"}')] == ["a", "b"]


@given(JSON)
def test_an_object_is_read_as_it_was_written_and_nothing_else_is(value: Any):
    body = orjson.dumps(value)
    if isinstance(value, dict):
        assert read_document(body) == value
    else:
        assert faults(body) == (Fault("", SHAPE),)


@given(
    st.binary()
    | st.text('[]{}",:\\u0d8a1e-+.ntf \n').map(str.encode)
    | st.tuples(JSON.map(orjson.dumps), st.integers(0), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1] % (len(parts[0]) + 1)] + parts[2] + parts[0][parts[1] % (len(parts[0]) + 1) :]
    )
)
def test_any_bytes_are_a_document_or_refused(body: bytes):
    try:
        document = read_document(body)
    except InvalidSubmission as refusal:
        assert refusal.faults  # noqa: PT017 - either way is fine
    else:
        assert orjson.loads(orjson.dumps(document)) == document


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("job",), "job"),
        (("job", "pvc", 1, "size"), "job.pvc[1].size"),
        (("job", "environment", "A_1"), "job.environment.A_1"),
        (("job", "volume", "/a.b"), "job.volume[/a.b]"),
        (("",), "[]"),
        (("1a",), "[1a]"),
        (("a\n",), "[a\n]"),
        (("a" * 80,), "a" * 80),
        (("a" * 81,), f"[{'a' * 77}...]"),
    ],
)
def test_a_path(location: tuple[str | int, ...], path: str):
    assert field_path(location) == path


def test_a_long_path_is_cut():
    assert field_path(["#" * 80] * 60) == (f"[{'#' * 80}]" * 4)[:297] + "..."


@pytest.mark.parametrize("element", ['"\\u0000"', '{"":0,"":0}'])
def test_the_faults_of_one_body_make_no_answer_of_megabytes(element: str):
    """Found by attack: 64 KiB of faults, each deep within names as long as are shown, were an answer of 33 MB."""
    body = f"[{','.join([element] * 2000)}]"
    for _ in range(MAX_DEPTH - 3):
        body = f'{{"{"#" * 80}":{body}}}'
    with pytest.raises(InvalidSubmission) as refused:
        read_document(body.encode())
    assert len(refused.value.faults) == MAX_FAULTS + 1
    assert refused.value.faults[-1] == Fault("", "The body has more faults than these 100")
    assert len(orjson.dumps(rejections.invalid_parameters(refused.value).body())) < 64 * 1024

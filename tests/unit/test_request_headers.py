"""`Prefer` and `Idempotency-Key`, header by header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.request_headers import as_text, media_type, only, read_idempotency_key, read_prefer
from service.errors import InvalidSubmission


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 30.0),
        ("", 30.0),
        ("respond-async", 0.0),
        ("Respond-Async", 0.0),
        ("wait=5", 5.0),
        ('wait="5"', 5.0),
        ("wait=0", 0.0),
        ("respond-async, wait=10", 10.0),
        ("wait=10, respond-async", 10.0),
        ("wait=30, respond-async", 30.0),
        ("wait=99999999999999999999", 120.0),
        ("wait=-1", 30.0),
        ("wait=1.5", 30.0),
        ("wait=\u0663", 30.0),
        ("wait", 30.0),
        ("handling=lenient; x=y, wait=7", 7.0),
        ("wait=5, wait=10", 5.0),  # RFC 7240, section 2: only the first instance of a preference counts
        ("wait=soon, wait=10", 30.0),
        ('x="a, wait=7", wait=8', 8.0),
        (r'x="a\", wait=7", wait=8', 8.0),
    ],
)
def test_prefer(header, seconds):
    assert read_prefer(header, default=30.0, longest=120.0) == seconds


@given(st.text())
def test_any_prefer_gives_a_time_in_bounds(header):
    assert 0 <= read_prefer(header, default=30.0, longest=120.0) <= 120


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('  "8e03978e-40d5-43dd-bc93-6894a57f9324" ', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (r'"a\"b\\c"', r'a"b\c'),
        ("k" * 255, "k" * 255),
    ],
)
def test_idempotency_key(header, key):
    assert read_idempotency_key(header) == key


@pytest.mark.parametrize("header", ["", "  ", '""', "k" * 256, "a\tb", "a\x7f"])
def test_faulty_idempotency_key(header):
    with pytest.raises(InvalidSubmission) as caught:
        read_idempotency_key(header)
    assert [fault.path for fault in caught.value.faults] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"john", "john"), ("José".encode(), "José"), ("José".encode("latin-1"), "José"), (b"\xff", "ÿ")],
)
def test_a_header_is_utf_8_or_else_latin_1(octets, text):
    assert as_text(octets.decode("utf-8", "surrogateescape")) == text


@given(st.binary())
def test_any_bytes_are_text(octets):
    as_text(octets.decode("utf-8", "surrogateescape")).encode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" application/json\t;", "application/json"),
        ("application/json" + ";" * 7900, "application/json"),
        ("application/jsonx", "application/jsonx"),
        ("", ""),
    ],
)
def test_media_type(header, expected):
    assert media_type(header) == expected


def test_a_header_given_twice_must_say_the_same():
    assert only("RA-USER", []) is None
    assert only("RA-USER", ["john", "john"]) == "john"
    with pytest.raises(InvalidSubmission, match="RA-USER: must be given once"):
        only("RA-USER", ["john", "mary"])


def test_a_preference_far_back_in_a_long_header_is_ignored():
    assert read_prefer("a, " * 1000 + "wait=5", default=30.0, longest=120.0) == 30.0

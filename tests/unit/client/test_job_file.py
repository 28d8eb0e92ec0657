"""A file of a job means the same as JSON and as YAML: what the service is sent is what is written there."""

import json

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from job_submission.cli.job_file import read_job

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    file = tmp_path_factory.mktemp("jobs") / "job"

    def read(content: str | bytes):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_job(str(file))

    return read


@given(job=st.dictionaries(TEXT, VALUES, max_size=3))
def test_json_and_yaml_of_a_job_are_the_same_body(read, job):
    for indent in (None, 2, "\t"):
        assert read(json.dumps({"job": job}, indent=indent)) == {"job": job}
    assert read(json.dumps({"job": job}, ensure_ascii=False)) == {"job": job}
    assert read(yaml.safe_dump({"job": job}, allow_unicode=True)) == {"job": job}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("2026-11-26", "2026-11-26"), ("2026-11-26T12:00:00Z", "2026-11-26T12:00:00Z"), ("22:22", "22:22")),
        *(("on", "on"), ("no", "no"), ("Yes", "Yes"), ("true", True), ("False", False), ("~", None), ("", None)),
        *(
            ("0777", "0777"),
            ("0x10", "0x10"),
            ("1_000", "1_000"),
            ("12", 12),
            ("-3", -3),
            ("0", 0),
            ("1e3", "1e3"),
            ("1.0e+3", 1000.0),
        ),
        *((".5", 0.5), ("1.", 1.0), (".nan", ".nan"), (".inf", ".inf"), ("5s", "5s"), ("1Gi", "1Gi"), ("=", "=")),
    ],
)
def test_a_word_without_quotes_is_what_json_would_have(read, text, value):
    assert read(f"job: {{environment: {{A: {text}}}}}\n") == {"job": {"environment": {"A": value}}}
    assert read(f"image: busybox\nname: {text}\n") == {"job": {"image": "busybox", "name": value}}


def test_a_mark_at_the_beginning_is_no_part_of_a_name(read):
    assert read(b"\xef\xbb\xbfimage: busybox\n") == {"job": {"image": "busybox"}}


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        "",
        "a",
        "[1]",
        "a: [",
        "a: !!python/object:x {}",
        "? [a]\n: b",
        "x: &a [*a]",
        '{"gpu": NaN}',
        "[" * 5000,
    ],
    ids=range(10),
)
def test_what_is_no_job_is_a_wrong_usage(read, content):
    with pytest.raises(click.UsageError, match=r"cannot be read|must hold"):
        read(content)

"""Durations, memory, cores and GPUs: literal tables, and properties over everything else."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.spec.quantities import (
    check_cores,
    check_gpus,
    cpu_quantity,
    memory_quantity,
    parse_duration,
    quantity_value,
)

DURATION = "must be a duration such as 5s, 2m, 3h or 1h30m"
MEMORY = "must be an amount of memory such as 512M, 3GB or 2Gi"
THOUSANDTH = "must be whole bytes: write M for megabytes or Mi for mebibytes (m is a thousandth)"


def refused(sentence: str):
    return pytest.raises(ValueError, match=rf"\A{re.escape(sentence)}\Z")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("2m", 120),
        ("3h", 10800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1.s", 1),
        (".5m", 30),
        ("1m1m", 120),
        ("0", 0),
        ("0s", 0),
        ("1ns", 1),
        ("1us", 1),
        ("1µs", 1),
        ("1μs", 1),
        ("999ms", 1),
        ("1000ms", 1),
        ("1001ms", 2),
        ("1500ms", 2),
        ("1s1ns", 2),
        ("2147483647s", 2147483647),
    ],
)
def test_a_duration(text: str, seconds: int):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *(
            (text, DURATION)
            for text in ("", "5", "s", ".s", "5 s", " 5s", "5s ", "5s\n", "5S", "1d", "1w", "5sec", "00")
        ),
        *((text, DURATION) for text in ("-5s", "+5s", "1,5h", "1e3s", "\u0665s", "1h30", "1" * 40 + "s", "\0")),
        ("2147483648s", "must be at most 2147483647s"),
        ("2147483647s1ns", "must be at most 2147483647s"),
        ("9" * 30 + "h", "must be at most 2147483647s"),
    ],
)
def test_no_duration(text: str, sentence: str):
    with refused(sentence):
        parse_duration(text)


@given(st.integers(0, 9999), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, milliseconds: int):
    whole = hours * 3600 + minutes * 60 + seconds
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert parse_duration(text) == whole + (milliseconds > 0)


@given(st.text() | st.from_regex(r"[0-9.hmsunµ]{0,45}"))
def test_any_text_is_a_duration_or_a_value_error(text: str):
    try:
        assert 0 <= parse_duration(text) < 2**31
    except ValueError as error:
        assert str(error) in (DURATION, "must be at most 2147483647s")  # noqa: PT017 - either way is fine


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("3GB", "3G", 3_000_000_000),
        ("512MB", "512M", 512_000_000),
        ("1TB", "1T", 10**12),
        ("1.5GB", "1.5G", 1_500_000_000),
        ("1", "1", 1),
        ("129e6", "129e6", 129_000_000),
        ("1E3", "1E3", 1000),
        ("1e+3", "1e+3", 1000),
        ("1500e-3", "1500e-3", Fraction(3, 2)),
        ("1k", "1k", 1000),
        ("1E", "1E", 10**18),
        ("1P", "1P", 10**15),
        ("1Ki", "1Ki", 1024),
        ("512Mi", "512Mi", 512 * 2**20),
        ("1.5Gi", "1.5Gi", 3 * 2**29),
        (".5G", ".5G", 500_000_000),
        ("1Ti", "1Ti", 2**40),
        ("1Pi", "1Pi", 2**50),
        ("7Ei", "7Ei", 7 * 2**60),
        ("9223372036854775807", "9223372036854775807", 2**63 - 1),
    ],
)
def test_memory(text: str, quantity: str, value: int | Fraction):
    assert (memory_quantity(text), quantity_value(text), quantity_value(quantity)) == (quantity, value, value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *(
            (text, MEMORY)
            for text in ("", "GB", "G", "-1G", "+1G", "1 G", "1G ", "1G\n", "1KB", "1kB", "1gb", "1g", "1K")
        ),
        *(
            (text, MEMORY)
            for text in ("1.G", "1..5G", "1e", "1e100", "1GiB", "1MiB", "\u0663G", "1" * 41, "0x1", "1B", "1PB")
        ),
        ("100m", THOUSANDTH),
        ("1.5n", THOUSANDTH),
        ("100u", THOUSANDTH),
        ("0", "must be at least 1 byte"),
        ("0Gi", "must be at least 1 byte"),
        ("0.5", "must be at least 1 byte"),
        ("1e-3", "must be at least 1 byte"),
        ("8Ei", "must be less than 8Ei"),
        ("1e99", "must be less than 8Ei"),
        ("9223372036854775808", "must be less than 8Ei"),
    ],
)
def test_no_memory(text: str, sentence: str):
    with refused(sentence):
        memory_quantity(text)


@given(st.integers(1, 10**6), st.sampled_from(["k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "MB", "GB", "TB", "e3", ""]))
def test_a_quantity_keeps_its_value(number: int, suffix: str):
    text = f"{number}{suffix}"
    assert quantity_value(memory_quantity(text)) == quantity_value(text) >= number


@given(st.text() | st.from_regex(r"[0-9.eEkKMGTPiBmnu+-]{0,45}"))
def test_any_text_is_memory_or_a_value_error(text: str):
    try:
        quantity = memory_quantity(text)
    except ValueError as error:
        assert str(error).startswith("must be ")  # noqa: PT017 - either way is fine
    else:
        assert quantity in (text, text[:-1])
        assert memory_quantity(quantity) == quantity


@pytest.mark.parametrize(
    ("cores", "quantity"),
    [
        (2, "2"),
        (2.0, "2"),
        (0.5, "500m"),
        (1.5, "1500m"),
        (0.001, "1m"),
        (0.1 + 0.2, "300m"),
        (0.0014, "1m"),
        (0.9996, "1"),
        (1e6, "1000000"),
    ],
)
def test_cpu(cores: float, quantity: str):
    check_cores(cores)
    assert cpu_quantity(cores) == quantity


@given(st.integers(1, 10**9))
def test_thousandths_of_a_core_round_trip(thousandths: int):
    quantity = cpu_quantity(thousandths / 1000)
    assert thousandths == (int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000)


@pytest.mark.parametrize(
    "cores", [0, -1, 1e-9, 0.0009, 1_000_001, 1e300, 10**400, float("inf"), float("nan"), float("-inf")]
)
def test_no_cpu(cores: float):
    with refused("must be a number of cores from 0.001 to 1000000"):
        check_cores(cores)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("gpus", [0, 0.0, 1, 1.0, 8, 1_000_000])
def test_whole_gpus(gpus: float, shared: bool):
    check_gpus(gpus, shared=shared)


@pytest.mark.parametrize("gpus", [0.01, 0.5, 0.99])
def test_a_fraction_of_a_shared_gpu(gpus: float):
    check_gpus(gpus, shared=True)
    with refused(
        "must be a whole number of GPUs: fractions need a scheduler that shares them,"
        " with the setting KUBE_SCHEDULER_PROFILE at kai or runai"
    ):
        check_gpus(gpus, shared=False)


@pytest.mark.parametrize(
    ("gpus", "sentence"),
    [
        (1.5, "must be a whole number of GPUs or, where the scheduler shares them, a fraction below 1"),
        (2.0001, "must be a whole number of GPUs or, where the scheduler shares them, a fraction below 1"),
        (0.009, "must be at least 0.01 of a GPU"),
        (1e-300, "must be at least 0.01 of a GPU"),
        *(
            (n, "must be a number of GPUs from 0 to 1000000")
            for n in (-1, -0.5, 1e300, 10**400, float("nan"), float("inf"))
        ),
    ],
)
def test_no_gpus(gpus: float, sentence: str):
    with refused(sentence):
        check_gpus(gpus, shared=True)

"""Durations and amounts of CPU, memory and GPUs: what the text or number of a parameter stands for.

Used by the rules of this package to check a request and by `manifests` to write it down. Every `ValueError` carries one
sentence for the client that says the rule, to be read after the name of the parameter.
"""

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

INT32_MAX: Final = 2**31 - 1
"""Largest number of Kubernetes' counters and seconds."""

INT64_MAX: Final = 2**63 - 1
"""Largest number of bytes a Kubernetes quantity holds."""

MAX_CORES: Final = 1_000_000
MAX_GPUS: Final = 1_000_000

_LONGEST_TEXT = 40  # longer than any sensible duration or quantity, short enough to compute with

_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(f"(?:{_DURATION_PART.pattern})+")
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),  # the micro sign
    "μs": Fraction(1, 10**6),  # the Greek letter, which Go accepts as well
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}

QUANTITY_PATTERN: Final = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([kMGTPE]|[KMGTPE]i|[MGT]B|[eE][+-]?[0-9]{1,2})?"
"""The grammar of `quantity_value`, of Python's and of JSON Schema's regular expressions alike."""

_QUANTITY = re.compile(QUANTITY_PATTERN)
_THOUSANDTHS = re.compile(r"[0-9.]+[num]")
_FACTORS: dict[str, int] = {
    **{suffix: 1000**power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def parse_duration(text: str) -> int:
    """Return the whole seconds of a Go duration (`time.ParseDuration`: `5s`, `1h30m`, `1.5h`), a part rounded up.

    `0` needs no unit; signs are refused. Raises ValueError.
    """
    if text == "0":
        return 0
    if len(text) > _LONGEST_TEXT or not _DURATION.fullmatch(text):
        raise ValueError("must be a duration such as 5s, 2m, 3h or 1h30m")
    parts = _DURATION_PART.findall(text)
    seconds = math.ceil(sum(Fraction(number) * _SECONDS[unit] for number, unit in parts))
    if seconds > INT32_MAX:
        raise ValueError(f"must be at most {INT32_MAX}s")
    return seconds


@lru_cache(1024)  # exact arithmetic is slow, and requests name the same few amounts
def quantity_value(text: str) -> Fraction:
    """Return the exact bytes of an amount of memory, for comparing. Raises ValueError.

    The grammar is that of Kubernetes (`resource.Quantity`) without signs and parts of a unit, and the spellings `MB`,
    `GB` and `TB` of the API's document, which mean the same as `M`, `G` and `T`.
    """
    if len(text) > _LONGEST_TEXT or not (quantity := _QUANTITY.fullmatch(text)):
        if _THOUSANDTHS.fullmatch(text):
            raise ValueError("must be whole bytes: write M for megabytes or Mi for mebibytes (m is a thousandth)")
        raise ValueError("must be an amount of memory such as 512M, 3GB or 2Gi")
    number, suffix = quantity.group(1), (quantity.group(2) or "").removesuffix("B")
    if suffix in _FACTORS:
        return Fraction(int(number) if number.isdigit() else number) * _FACTORS[suffix]
    return Fraction(number + suffix)  # with an exponent


@lru_cache(1024)
def memory_quantity(text: str) -> str:
    """Return an amount of memory or storage as Kubernetes takes it: `3GB` becomes `3G`, its own are kept as written.

    Raises ValueError for anything else, for less than a byte and for more than Kubernetes can count.
    """
    value = quantity_value(text)
    if value < 1:
        raise ValueError("must be at least 1 byte")
    if value > INT64_MAX:
        raise ValueError("must be less than 8Ei")
    return text.removesuffix("B")


@lru_cache(1024)
def cpu_quantity(cores: float) -> str:
    """Return a number of cores as a Kubernetes quantity: 2 is `2`, 0.5 is `500m`.

    Rounded to thousandths, the finest that Kubernetes takes ("Resource Management for Pods and Containers").
    """
    thousandths = int((Decimal(repr(cores)) * 1000).to_integral_value(ROUND_HALF_EVEN))
    return f"{thousandths}m" if thousandths % 1000 else f"{thousandths // 1000}"


def check_cores(cores: float) -> None:
    """Raise ValueError unless a number of cores can be asked for."""
    if not 0.001 <= cores <= MAX_CORES:  # this way round NaN is refused as well
        raise ValueError(f"must be a number of cores from 0.001 to {MAX_CORES}")


def check_gpus(gpus: float, *, shared: bool) -> None:
    """Raise ValueError unless a number of GPUs can be asked for; `shared` says that fractions below 1 can."""
    if not 0 <= gpus <= MAX_GPUS:
        raise ValueError(f"must be a number of GPUs from 0 to {MAX_GPUS}")
    if gpus == int(gpus):
        return
    if gpus > 1:
        raise ValueError("must be a whole number of GPUs or, where the scheduler shares them, a fraction below 1")
    if not shared:
        raise ValueError(
            "must be a whole number of GPUs: fractions need a scheduler that shares them,"
            " with the setting KUBE_SCHEDULER_PROFILE at kai or runai"
        )
    if gpus < 0.01:
        raise ValueError("must be at least 0.01 of a GPU")

"""What a pod asks of its node: CPU, memory, GPUs."""

from typing import Final

from pydantic import ValidationInfo

from service.spec.fields import Rule, number, text
from service.spec.limits import limits_of
from service.spec.quantities import (
    MAX_CORES,
    MAX_GPUS,
    QUANTITY_PATTERN,
    check_cores,
    check_gpus,
    memory_quantity,
    quantity_value,
)


def _cores(value: object) -> int | float:
    check_cores(number(value))
    return number(value)


cores: Final = Rule(
    f"a number of cores from 0.001 to {MAX_CORES}", {"type": "number", "minimum": 0.001, "maximum": MAX_CORES}, _cores
)
"""A number of CPU cores."""

gpus: Final = Rule(
    "a whole number, or a fraction below 1 where the scheduler shares GPUs",
    {"type": "number", "minimum": 0, "maximum": MAX_GPUS},
    number,
)
"""A number of GPUs, which `gpus_of_the_profile` looks at more closely."""

memory: Final[Rule[str]] = text(
    "an amount of memory such as 512M, 3GB or 2Gi", memory_quantity, {"pattern": f"^{QUANTITY_PATTERN}$"}
)
"""An amount of memory or storage, as a Kubernetes quantity."""


def gpus_of_the_profile(value: float, info: ValidationInfo) -> float:
    """Refuse a number of GPUs that the scheduler cannot give."""
    check_gpus(value, shared=limits_of(info).shares_gpus)
    return value


def cpu_limit_not_below(value: float, info: ValidationInfo) -> float:
    """Refuse a limit of CPU below what is requested."""
    cpu = info.data.get("cpu")
    if cpu is not None and value < cpu:
        raise ValueError(f"must not be below cpu, {cpu}")
    return value


def memory_limit_not_below(value: str, info: ValidationInfo) -> str:
    """Refuse a limit of memory below what is requested."""
    requested = info.data.get("memory")
    if requested is not None and quantity_value(value) < quantity_value(requested):
        raise ValueError(f"must not be below memory, {requested}")
    return value

"""Types that several settings share."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(value: object) -> object:
    return filter(None, map(str.strip, value.split(","))) if isinstance(value, str) else value


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]
"""A set of names, written with commas."""

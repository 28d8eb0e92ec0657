"""How one value of a request is read: each rule in code, as JSON Schema, and in words.

`validation` and the other modules of this package build their parameters from these. JSON types are strict: `"1"` is
no number and `true` is none either. Every `ValueError` carries one sentence for the client, to be read after the path
of the parameter.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from service.spec.limits import limits_of
from service.spec.quantities import INT32_MAX
from service.spec.strict_json import Location

T = TypeVar("T")
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """The rule of one kind of value; stands in the `Annotated` type of a field."""

    accepts: str
    """What is accepted, in words that can follow "must be"."""
    schema: Schema
    """The same as JSON Schema, as far as that can say it."""
    read: Callable[[Any], T]
    """Takes a JSON value and returns what the model holds; raises ValueError."""
    of: CoreSchema | None = None
    """The JSON type of the values that `read` takes, where it takes one only: pydantic sees to that without Python."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic call `read`, in the place of a check of its own or after that of the type."""
        if self.of is None:
            return core_schema.no_info_plain_validator_function(self.read)
        return core_schema.no_info_after_validator_function(self.read, self.of)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Give pydantic the JSON Schema."""
        return dict(self.schema)


@dataclass(frozen=True, slots=True)
class JsonType:
    """The rule that a value is of one JSON type and nothing else; pydantic checks it, and `faults` has the sentence."""

    accepts: str
    schema: Schema
    core: CoreSchema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic check the type."""
        return self.core

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Give pydantic the JSON Schema."""
        return dict(self.schema)


def too_many(given: int, most: int, limit: str) -> str:
    """Return the sentence about an array or object with more entries than its `limit` allows."""
    return f"must have at most {most} entries (SUBMISSION_MAX_{limit.upper()}), not {given}"


@dataclass(frozen=True, slots=True)
class Entries:
    """Bounds an array or object by its number of entries before any of them is looked at."""

    accepts: str
    limit: str = "entries"
    """The bound's name in `Limits`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the number of entries before pydantic checks the entries."""
        return core_schema.with_info_before_validator_function(self._bounded, handler(source))

    def _bounded(self, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, (list, dict)) and len(value) > (most := getattr(limits_of(info), self.limit)):
            raise ValueError(too_many(len(value), most, self.limit))
        return value


@dataclass(frozen=True, slots=True)
class AtMost:
    """Bounds a number by a setting, where that is set."""

    limit: str
    """The bound's name in `Limits`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the bound after the rule of the number."""
        return core_schema.with_info_after_validator_function(self._bounded, handler(source))

    def _bounded(self, value: float, info: ValidationInfo) -> float:
        most = getattr(limits_of(info), self.limit)
        if most is not None and value > most:
            raise ValueError(f"must be at most {most} (SUBMISSION_MAX_{self.limit.upper()})")
        return value


def _tidy(schema: dict[str, Any], model: "type[Parameters]") -> None:
    """Leave out titles, which repeat the names, and defaults of null, which cannot be given; show the empty ones."""
    schema.pop("title", None)
    for name, field, _ in model.members():
        member = schema["properties"][name]
        member.pop("title", None)
        if member.get("default", "") is None:
            del member["default"]
        if field.default_factory is dict:  # a default of {} would be copied for every request
            member["default"] = {}


class Parameters(BaseModel):
    """A JSON object with parameters: no others, none changed afterwards, named as JSON names them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, json_schema_extra=_tidy)

    refused: ClassVar[Mapping[str, str]] = {}
    """Names that are known from elsewhere and not taken here, each with the sentence that says so."""

    @classmethod
    def members(cls) -> "tuple[Member, ...]":
        """Return each parameter: its name in JSON, its field and, where it holds objects, their models."""
        return _members(cls)


Member = tuple[str, FieldInfo, tuple[type[Parameters], ...]]


@cache
def _members(model: type[Parameters]) -> tuple[Member, ...]:
    return tuple((str(each.alias), each, tuple(_models(each.annotation))) for each in model.model_fields.values())


def _models(annotation: Any) -> Iterator[type[Parameters]]:
    if isinstance(annotation, type) and issubclass(annotation, Parameters):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


_STRING: Final = core_schema.str_schema(strict=True)

Boolean = Annotated[bool, JsonType("true or false", {"type": "boolean"}, core_schema.bool_schema(strict=True))]


String = Annotated[str, JsonType("a string", {"type": "string"}, _STRING)]


def number(value: object) -> int | float:
    """Return a JSON number, which `true` is not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a number")
    return value


def whole_number(least: int, most: int = INT32_MAX) -> Rule[int]:
    """Return the rule of an integer from `least` to `most`; `1.0` is none."""
    accepts = f"a whole number from {least} to {most}"

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be {accepts}")
        return value

    return Rule(accepts, {"type": "integer", "minimum": least, "maximum": most}, read)


def text(accepts: str, read: Callable[[str], T], schema: Schema | None = None) -> Rule[T]:
    """Return the rule of a string that `read` makes sense of; `schema` adds to the type."""
    return Rule(accepts, {"type": "string", **(schema or {})}, read, _STRING)


def pattern(expression: re.Pattern[str], longest: int, letters: str) -> Rule[str]:
    """Return the rule of a string of 1 to `longest` characters that matches as a whole; `letters` says it in words."""
    accepts = f"1 to {longest} {letters}"

    def read(name: str) -> str:
        if len(name) > longest or not expression.fullmatch(name):
            raise ValueError(f"must be {accepts}")
        return name

    return text(accepts, read, {"pattern": f"^{expression.pattern}$", "maxLength": longest})


def one_of(*words: str) -> Rule[Any]:
    """Return the rule of a word from a closed set, in any letter case; it comes out as it is spelled here."""
    accepts = f"one of {', '.join(words)}"
    spelling = {word.lower(): word for word in words}

    def read(given: str) -> str:
        word = spelling.get(given.lower())
        if word is None:
            raise ValueError(f"must be {accepts}")
        return word

    return text(accepts, read, {"enum": list(words)})


def repeated(places: Iterable[tuple[Location, Hashable]], sentence: str) -> list[tuple[Location, str]]:
    """Return a fault, `sentence`, for each place whose value an earlier place has already."""
    seen: set[Hashable] = set()
    faults = []
    for location, value in places:
        if value in seen:
            faults.append((location, sentence))
        seen.add(value)
    return faults


def raise_faults(faults: list[tuple[Location, str]]) -> None:
    """Raise faults at places within the parameter at hand, if there are any."""
    if faults:
        lines = [
            InitErrorDetails(type="value_error", loc=location, input=None, ctx={"error": ValueError(sentence)})
            for location, sentence in faults
        ]
        raise ValidationError.from_exception_data("job", lines)

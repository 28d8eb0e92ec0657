"""Pydantic's errors as faults in the words of the API: a path, and one sentence with the rule and the fix."""

from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.errors import MAX_FAULTS, Fault, InvalidSubmission
from service.spec.fields import Parameters
from service.spec.strict_json import Location, field_path

_LONGEST_TYPO: Final = 40
"""Longest name that is taken for a misspelt one: comparing takes time with its length."""

_SENTENCES: Final = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "tuple_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
"""What is said for the errors that are pydantic's own; all others come from our rules, as `value_error`."""


def faults_of(error: ValidationError, model: type[Parameters], place: str) -> tuple[list[Fault], int]:
    """Return the first `MAX_FAULTS` faults of a validation of `model`, which is `place` in the document, and how many
    there are besides.
    """
    details = error.errors(include_url=False, include_input=False)
    return [_fault(detail, model, place) for detail in details[:MAX_FAULTS]], len(details[MAX_FAULTS:])


def invalid(faults: list[Fault], hidden: int = 0) -> InvalidSubmission:
    """Return the refusal with the first `MAX_FAULTS` of `faults`; `hidden` says how many were left out before."""
    hidden += len(faults[MAX_FAULTS:])
    more = [Fault("job", f"has {hidden} more faults")] if hidden else []
    return InvalidSubmission((*faults[:MAX_FAULTS], *more))


def _fault(detail: ErrorDetails, root: type[Parameters], place: str) -> Fault:
    location, model = _place(detail["loc"], root)
    if detail["type"] != "extra_forbidden" and location[-1:] == ("[key]",) and len(location) > 2:
        location = location[:-1]  # pydantic's mark of a fault in the name of a member, not in its value
    if detail["type"] == "value_error":
        sentence = str(detail["ctx"]["error"])
    elif detail["type"] == "extra_forbidden":
        sentence = _unknown(str(location[-1]), model)
    else:
        sentence = _SENTENCES[detail["type"]]
    return Fault(field_path((place, *location)), sentence)


def _place(location: Location, model: type[Parameters]) -> tuple[Location, type[Parameters]]:
    """Return pydantic's location without its marks for one of several models, and the model of the innermost object."""
    place: list[str | int] = []
    models: tuple[type[Parameters], ...] = ()
    for part in location:
        named = next((each for each in models if each.__name__ == part), None) if len(models) > 1 else None
        if named:
            model, models = named, ()
            continue
        if isinstance(part, int) and len(models) == 1:
            (model,), models = models, ()
        elif isinstance(part, str):
            models = next((nested for name, _, nested in model.members() if name == part), ())
        place.append(part)
    return tuple(place), model


def _unknown(name: str, model: type[Parameters]) -> str:
    """Say what is wrong with a name that no parameter has, with the nearest one that exists."""
    if name in model.refused:
        return model.refused[name]
    known = {_letters(name): name for name, _, _ in model.members()}
    nearest = get_close_matches(_letters(name), known, n=1) if len(name) <= _LONGEST_TYPO else []
    return f"is not a parameter; did you mean {known[nearest[0]]}?" if nearest else "is not a parameter; remove it"


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()

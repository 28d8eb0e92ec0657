"""What a document says of one endpoint, and what its route needs: the two cannot come apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from service.api.routes import PUBLIC, Handler, Route
from service.auth.authorisation import Verb
from service.submission.rejection import Constructor

Schema = Mapping[str, Any]
JSON: Final = "application/json"


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no refusal; `headers` name those of `openapi.HEADERS`."""

    status: int
    description: str
    schema: Schema
    examples: Mapping[str, Any]
    media_type: str = JSON
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for, at one path or several that mean the same."""

    id: str
    method: str
    paths: Sequence[str]
    needs: Verb | None
    """What the sender must be allowed to do, or `PUBLIC`."""
    tag: str
    summary: str
    description: str = ""
    parameters: Sequence[Schema] = ()
    body: Schema | None = None
    body_required: bool = True
    answers: Sequence[Answer] = ()
    refusals: Sequence[Constructor[...]] = field(default=())
    """What it is refused with besides what every route may be."""

    def to(self, handler: Handler) -> tuple[Route, ...]:
        """Return the lines of the route table that lead to `handler`."""
        return tuple(Route(self.method, path, handler, self.needs) for path in self.paths)

    @property
    def is_public(self) -> bool:
        """Tell whether it is answered without credentials."""
        return self.needs is PUBLIC

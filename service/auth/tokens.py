"""A list of bearer tokens: whose each is, and which projects it is good for."""

from functools import cached_property
from hashlib import sha256
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.auth.principal import MAX_USER_LENGTH, Principal
from service.auth.watched_file import UnreadableFile
from service.submission import rejections
from service.submission.rejection import SubmissionRejected


class Token(BaseModel):
    """One token: its SHA-256 in hex, never the token itself, its user and the projects (`*` and `?` match)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    user: Annotated[str, StringConstraints(min_length=1, max_length=MAX_USER_LENGTH)]
    projects: tuple[str, ...] = Field(min_length=1)


class TokenList(BaseModel):
    """The tokens file: `{"tokens": [{"sha256": ..., "user": ..., "projects": [...]}]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[Token, ...]

    @cached_property
    def by_digest(self) -> dict[str, Token]:
        """The tokens by their SHA-256; the first of equal ones counts."""
        return {token.sha256: token for token in reversed(self.tokens)}

    def owner(self, token: str) -> Principal:
        """Return whose token this is. Raises SubmissionRejected (401)."""
        listed = self.by_digest.get(sha256(token.encode("utf-8", "surrogateescape")).hexdigest())
        if listed is None:
            raise SubmissionRejected(rejections.unauthorized("the token is not known"))
        return Principal(listed.user, projects=listed.projects)

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the list that a file holds. Raises UnreadableFile."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise UnreadableFile(_where(first["loc"]) + _what(first["type"], first["msg"])) from None


def _where(location: tuple[int | str, ...]) -> str:
    """Return where a fault is, as `tokens[0].sha256: `, without names that the file has made up."""
    ours = {*TokenList.model_fields, *Token.model_fields}
    steps = [f"[{step}]" if isinstance(step, int) else f".{step if step in ours else '?'}" for step in location]
    return "".join(steps).removeprefix(".") + ": " if steps else ""


def _what(kind: str, message: str) -> str:
    return "a field that a tokens file does not have" if kind == "extra_forbidden" else message

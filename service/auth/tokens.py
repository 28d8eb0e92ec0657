"""Who may submit for which project, decided from the request's headers and a list of tokens.

Without a list the header `RA-USER` is believed, as in the documented API: then whatever stands in front of the ingress
must set it. With a list every request needs `Authorization: Bearer <token>` (RFC 6750) and the token says the user.
"""

from functools import cached_property
from hashlib import sha256
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.auth.principal import Principal
from service.submission import rejections
from service.submission.rejection import SubmissionRejected

MAX_USER_LENGTH: Final = 253


class UnreadableTokens(Exception):
    """A tokens file that holds no list of tokens; the text has nothing of the file's own."""


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

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the list that a file holds. Raises UnreadableTokens."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise UnreadableTokens(_where(first["loc"]) + _what(first["type"], first["msg"])) from None


def _where(location: tuple[int | str, ...]) -> str:
    """Return where a fault is, as `tokens[0].sha256: `, without names that the file has made up."""
    ours = {*TokenList.model_fields, *Token.model_fields}
    steps = [f"[{step}]" if isinstance(step, int) else f".{step if step in ours else '?'}" for step in location]
    return "".join(steps).removeprefix(".") + ": " if steps else ""


def _what(kind: str, message: str) -> str:
    return "a field that a tokens file does not have" if kind == "extra_forbidden" else message


def authenticate(ra_user: str | None, authorization: str | None, tokens: TokenList | None) -> Principal:
    """Return who sent a request with these headers.

    Raises SubmissionRejected: 401 for no or bad credentials, 403 for the token of somebody else than `RA-USER`.
    """
    user = (ra_user or "").strip()
    if len(user) > MAX_USER_LENGTH or not user.isprintable():
        raise SubmissionRejected(
            rejections.unauthorized(f"RA-USER must be printable and at most {MAX_USER_LENGTH} characters")
        )
    if tokens is None:
        if not user:
            raise SubmissionRejected(
                rejections.unauthorized("the header RA-USER is missing: it names the submitting user")
            )
        return Principal(user)
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise SubmissionRejected(rejections.unauthorized("credentials are missing: send Authorization: Bearer <token>"))
    digest = sha256(secret.strip().encode("utf-8", "surrogateescape")).hexdigest()
    token = tokens.by_digest.get(digest)
    if token is None:
        raise SubmissionRejected(rejections.unauthorized("the token is not known"))
    if user and user != token.user:
        raise SubmissionRejected(rejections.forbidden(f"the token belongs to another user than RA-USER {user}"))
    return Principal(token.user, token.projects)

"""Who may submit for which project, decided from the request's headers and a list of tokens.

Without a list the header `RA-USER` is believed, as in the documented API: then whatever stands in front of the ingress
must set it. With a list every request needs `Authorization: Bearer <token>` (RFC 6750) and the token says the user.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.errors import Rejection, SubmissionRejected

MAX_USER_LENGTH = 253


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


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a request and the projects they may submit to; None means any."""

    user: str
    projects: tuple[str, ...] | None = None

    def require(self, project: str) -> None:
        """Raise SubmissionRejected (403) when this user may not submit to `project`."""
        if self.projects is not None and not any(fnmatchcase(project, pattern) for pattern in self.projects):
            raise SubmissionRejected(Rejection(403, f"user {self.user} is not allowed to submit to project {project}"))


def authenticate(ra_user: str | None, authorization: str | None, tokens: TokenList | None) -> Principal:
    """Return who sent a request with these headers.

    Raises SubmissionRejected: 401 for no or bad credentials, 403 for the token of somebody else than `RA-USER`.
    """
    user = (ra_user or "").strip()
    if len(user) > MAX_USER_LENGTH or not user.isprintable():
        raise SubmissionRejected(Rejection(401, f"RA-USER must be printable and at most {MAX_USER_LENGTH} characters"))
    if tokens is None:
        if not user:
            raise SubmissionRejected(Rejection(401, "the header RA-USER is missing: it names the submitting user"))
        return Principal(user)
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise SubmissionRejected(Rejection(401, "credentials are missing: send Authorization: Bearer <token>"))
    wanted = sha256(secret.strip().encode("utf-8", "surrogateescape")).hexdigest()
    token = next((token for token in tokens.tokens if token.sha256 == wanted), None)
    if token is None:
        raise SubmissionRejected(Rejection(401, "the token is not known"))
    if user and user != token.user:
        raise SubmissionRejected(Rejection(403, f"the token belongs to another user than RA-USER {user}"))
    return Principal(token.user, token.projects)

"""Who may submit for which project, decided from the request's headers and a list of tokens.

Without a list the header `RA-USER` is believed, as in the documented API: then whatever stands in front of the ingress
must set it. With a list every request needs `Authorization: Bearer <token>` (RFC 6750) and the token says the user.
"""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.auth.principal import Principal
from service.submission import rejections
from service.submission.rejections import SubmissionRejected
from service.telemetry.logs import log

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
    wanted = sha256(secret.strip().encode("utf-8", "surrogateescape")).hexdigest()
    token = next((token for token in tokens.tokens if token.sha256 == wanted), None)
    if token is None:
        raise SubmissionRejected(rejections.unauthorized("the token is not known"))
    if user and user != token.user:
        raise SubmissionRejected(rejections.forbidden(f"the token belongs to another user than RA-USER {user}"))
    return Principal(token.user, token.projects)


class TokensFile:
    """The tokens file, read anew when it changes, as a mounted Secret does."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises OSError or ValueError where that is not possible."""
        self._path = path
        self._changed: int | None = path.stat().st_mtime_ns
        self._tokens = self._read()

    def __call__(self) -> TokenList:
        """Return the tokens; a change that cannot be read keeps the last good list and is logged."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            changed = None
        if changed != self._changed:
            self._changed = changed
            try:
                self._tokens = self._read()
            except (OSError, ValueError) as error:
                # nothing of the file's text: it holds digests of secrets
                log.error("tokens-unreadable", path=str(self._path), reason=type(error).__name__)
        return self._tokens

    def _read(self) -> TokenList:
        return TokenList.model_validate_json(self._path.read_bytes())

"""Who sent a request, decided from its headers.

Without anything to verify tokens with, the header `RA-USER` is believed, as in the documented API: then whatever stands
in front of the ingress must set it. Else every request needs `Authorization: Bearer <token>` (RFC 6750), and the token
says the user.
"""

from typing import Protocol

from service.auth.principal import MAX_USER_LENGTH, Principal, is_user
from service.submission import rejections
from service.submission.rejection import SubmissionRejected


class Verifier(Protocol):
    """Knows whose a bearer token is."""

    async def verify(self, token: str) -> Principal:
        """Return whose token this is.

        Raises SubmissionRejected: 401 for one that is not good, 503 while that cannot be found out.
        """


async def authenticate(ra_user: str | None, authorization: str | None, verifier: Verifier | None) -> Principal:
    """Return who sent a request with these headers.

    Raises SubmissionRejected: 401 for no or bad credentials, 403 for the token of somebody else than `RA-USER`, 503
    while tokens cannot be verified.
    """
    user = (ra_user or "").strip()
    if user and not is_user(user):
        raise SubmissionRejected(
            rejections.unauthorized(f"RA-USER must be printable and at most {MAX_USER_LENGTH} characters")
        )
    if verifier is None:
        if not user:
            raise SubmissionRejected(
                rejections.unauthorized("the header RA-USER is missing: it names the submitting user")
            )
        return Principal(user, is_verified=False)
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SubmissionRejected(rejections.unauthorized("credentials are missing: send Authorization: Bearer <token>"))
    principal = await verifier.verify(token.strip())
    if user and user != principal.user:
        raise SubmissionRejected(rejections.forbidden(f"the token belongs to another user than RA-USER {user}"))
    return principal

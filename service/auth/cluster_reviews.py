"""The cluster as the one who knows: whose a token is (TokenReview), and who may do what (SubjectAccessReview).

Its answers count for a few seconds, good and bad ones; while it cannot be asked nobody is let in, and nobody is told
that they are not allowed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from hashlib import sha256
from typing import Final, TypeVar

from service.auth.authorisation import Verb
from service.auth.principal import Principal, is_user
from service.kube import ApiError, ApiUnreachable, ReviewedUser, Reviews
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.repetitions import Repetitions
from service.verdicts import Verdicts

MOST_TOKENS: Final = 10_000
MOST_RIGHTS: Final = 100_000
"""Answers remembered: a token takes about half a kilobyte, a right less."""

AT_ONCE: Final = 32
"""Questions of a kind under way: whoever sends made-up tokens must not keep the API server busy."""

AUTHENTICATED: Final = "system:authenticated"
"""The group of everybody whom the API server has verified (Kubernetes, "Authenticating", anonymous requests)."""

JOBS: Final = {"group": "batch", "resource": "jobs"}
ATTRIBUTES: Final[dict[Verb, dict[str, str]]] = {
    Verb.CREATE: {"verb": "create", **JOBS},
    Verb.GET: {"verb": "get", **JOBS},
    Verb.LIST: {"verb": "list", **JOBS},
    Verb.DELETE: {"verb": "delete", **JOBS},
    Verb.LOGS: {"verb": "get", "group": "", "resource": "pods", "subresource": "log"},
}
"""What a user needs to be allowed in the project's namespace, by what a route does."""

Answer = TypeVar("Answer")


class _Cluster:
    """Asks, and tells once in a while why there is no answer."""

    def __init__(self) -> None:
        self._told = Repetitions()

    async def answer(self, question: Awaitable[Answer]) -> Answer:
        """Return the answer to a question. Raises SubmissionRejected (503)."""
        try:
            return await question
        except (ApiError, ApiUnreachable, TimeoutError) as error:
            reason = _reason(error)
            if (left_out := self._told.count(reason)) is not None:
                log.error("review-failed", reason=reason, detail=str(error)[:300], left_out=left_out or None)
            raise SubmissionRejected(rejections.access_unknown("the cluster cannot be asked")) from None


def _reason(error: ApiError | ApiUnreachable | TimeoutError) -> str:
    if isinstance(error, ApiError):
        return f"{error.answer.status} {error.answer.reason}"
    return "busy" if isinstance(error, TimeoutError) else error.reason


class ReviewedTokens:
    """Verifies tokens that the cluster knows; made by `audiences` for this service, or for the API server."""

    def __init__(self, reviews: Reviews, audiences: Collection[str], seconds: float) -> None:
        self._reviews = reviews
        self._audiences = frozenset(audiences)
        self._verdicts: Verdicts[bytes, Principal | None] = Verdicts(MOST_TOKENS, seconds, AT_ONCE)
        self._cluster = _Cluster()

    async def verify(self, token: str) -> Principal:
        """See `Verifier`."""
        if not token.isascii():  # no token of a cluster's, and nothing that could be sent on
            raise SubmissionRejected(rejections.unauthorized("the token is not known"))
        digest = sha256(token.encode()).digest()
        principal = await self._cluster.answer(self._verdicts.of(digest, lambda: self._review(token)))
        if principal is None:
            raise SubmissionRejected(rejections.unauthorized("the token is not known to the cluster, or not any more"))
        return principal

    async def _review(self, token: str) -> Principal | None:
        known = await self._reviews.user_of(token, self._audiences)
        return None if known is None or not is_user(known.user) else Principal(*known)


class ReviewedAccess:
    """An authoriser that asks the cluster, in the namespace of the project, within what the credential is good for."""

    def __init__(self, reviews: Reviews, namespace_of: Callable[[str], str], seconds: float) -> None:
        self._reviews = reviews
        self._namespace_of = namespace_of
        self._verdicts: Verdicts[tuple[ReviewedUser, Verb, str], bool] = Verdicts(MOST_RIGHTS, seconds, AT_ONCE)
        self._cluster = _Cluster()

    async def allowed(self, principal: Principal, verb: Verb, projects: Collection[str]) -> frozenset[str]:
        """See `Authoriser`."""
        groups = principal.groups
        if principal.is_verified and AUTHENTICATED not in groups:
            groups = (*groups, AUTHENTICATED)
        user = ReviewedUser(principal.user, groups, principal.extra)
        allowed, unknown = set(), []
        for project in filter(principal.reaches, projects):
            known = self._verdicts.known((user, verb, project))
            if known is None:
                unknown.append(project)
            elif known[0]:
                allowed.add(project)
        answers = await asyncio.gather(*(self._may(user, verb, project) for project in unknown))
        return frozenset(allowed.union(project for project, may in zip(unknown, answers, strict=True) if may))

    async def _may(self, user: ReviewedUser, verb: Verb, project: str) -> bool:
        attributes = {**ATTRIBUTES[verb], "namespace": self._namespace_of(project)}
        question = self._verdicts.of((user, verb, project), lambda: self._reviews.may(user, attributes))
        return await self._cluster.answer(question)

"""What the cluster is asked about others: whose a token is, and who may do what.

The ingress asks, with a service account that may create these two reviews and nothing else.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from service.kube.auth import Login
from service.kube.errors import ApiError, ApiUnreachable, Reason, answer_of, object_in
from service.kube.transport import Transport
from service.telemetry.metrics import Metrics

Extra = tuple[tuple[str, tuple[str, ...]], ...]
"""What an authenticator of the cluster notes about a user, for its authorisers."""

RIGHTS: Final = {"tokenreviews": ("create",), "subjectaccessreviews": ("create",)}
"""Verbs by resource in the whole cluster: the first to ask whose a token is, the second who may do what."""

_TOKENS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCESS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class ReviewedUser(NamedTuple):
    """Whose token it is."""

    user: str
    groups: tuple[str, ...]
    extra: Extra


class Reviews:
    """Asks one API server about others, with a time-out in seconds; end it with `close`."""

    def __init__(self, login: Login, timeout: float, metrics: Metrics) -> None:
        self._connect = partial(Transport, login, timeout, metrics)
        self._transport: Transport | None = None  # until something is asked: it may be made before there is a port

    async def close(self) -> None:
        """Close all connections."""
        if self._transport is not None:
            await self._transport.close()

    async def user_of(self, token: str, audiences: Collection[str]) -> ReviewedUser | None:
        """Return whose token this is; None where it is not good, or for none of `audiences` (none: the API server's).

        https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
        Raises ApiError, ApiUnreachable.
        """
        spec = {"token": token, "audiences": sorted(audiences)} if audiences else {"token": token}
        status = await self._ask("token-review", _TOKENS, "TokenReview", "authentication.k8s.io/v1", spec)
        user = status.get("user") or {}
        if status.get("authenticated") is not True or not user.get("username"):
            return None
        # an authenticator that knows nothing of audiences names none, and means the API server's
        if audiences and not set(audiences) & set(status.get("audiences") or ()):
            return None
        extra = {str(name): tuple(map(str, values)) for name, values in (user.get("extra") or {}).items()}
        return ReviewedUser(
            user=str(user["username"]),
            groups=tuple(map(str, user.get("groups") or ())),
            extra=tuple(sorted(extra.items())),
        )

    async def may(self, user: ReviewedUser, attributes: Mapping[str, str]) -> bool:
        """Tell whether somebody may do what the `resourceAttributes` of a SubjectAccessReview say.

        https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
        Raises ApiError, ApiUnreachable.
        """
        spec = {
            "user": user.user,
            "groups": user.groups,
            "extra": dict(user.extra),
            "resourceAttributes": attributes,
        }
        status = await self._ask("access-review", _ACCESS, "SubjectAccessReview", "authorization.k8s.io/v1", spec)
        return status.get("allowed") is True and status.get("denied") is not True

    async def _ask(self, verb: str, path: str, kind: str, version: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        review = orjson.dumps({"apiVersion": version, "kind": kind, "spec": spec})
        if self._transport is None:
            self._transport = self._connect()
        status, headers, raw = await self._transport.exchange(verb, "POST", path, review)
        answer = object_in(raw)
        if status not in (200, 201):
            raise ApiError(answer_of(status, headers, raw))
        said = answer.get("status")
        if answer.get("kind") != kind or not isinstance(said, dict):
            raise ApiUnreachable(Reason.NOT_THE_API, f"an answer without the status of a {kind}")
        return said

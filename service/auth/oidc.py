"""Bearer tokens of an OIDC issuer: JWTs (RFC 7519), checked as RFC 8725 asks, with the keys of the issuer.

The algorithms are a fixed list of asymmetric ones, so that neither `none` nor a signature made with the public key as a
shared secret is looked at. Nothing of a token gets into a message or a line of the log.
"""

import binascii
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson
from cachetools import TLRUCache
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from service.auth.issuer_keys import IssuerKeys
from service.auth.principal import Principal, is_user
from service.settings import AccessSettings
from service.submission import rejections
from service.submission.rejection import SubmissionRejected

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Those that an API server takes of an issuer; with a shared secret whoever checks could also sign."""

TYPES: Final = frozenset({"", "jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""The `typ` of ID tokens and access tokens (RFC 9068); others, such as logout tokens, are no login (RFC 8725, 3.11)."""

RESERVED: Final = "system:"
"""How the names begin that mean something to the cluster itself, such as the group `system:masters`."""

MOST_TOKENS: Final = 10_000
"""Tokens remembered; one takes about half a kilobyte."""


class _Registry(JWSRegistry):
    """Takes tokens as large as the headers of a request may be, which the ingress bounds."""

    max_header_length = max_payload_length = 1024 * 1024


_REGISTRY: Final = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


class _Verdict(NamedTuple):
    """Whose a token is, and until when, in seconds since the epoch."""

    principal: Principal
    expires: float


class OidcTokens:
    """Verifies tokens of one issuer."""

    def __init__(self, settings: AccessSettings, keys: IssuerKeys, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._keys = keys
        self._verdicts: TLRUCache[tuple[bytes, int], _Verdict] = TLRUCache(
            MOST_TOKENS, ttu=lambda _key, verdict, _now: verdict.expires, timer=clock
        )
        self._claims = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=int(settings.oidc_skew_seconds),
            iss={"essential": True, "value": str(settings.oidc_issuer)},
            aud={"essential": True, "values": sorted(settings.oidc_audiences)},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> Principal:
        """See `Verifier`."""
        octets = token.encode("utf-8", "surrogateescape")
        digest = sha256(octets).digest()
        verdict = self._verdicts.get((digest, self._keys.generation))
        if verdict is None:
            verdict = await self._check(octets)
            self._verdicts[digest, self._keys.generation] = verdict
        return verdict.principal

    async def _check(self, token: bytes) -> _Verdict:
        header = _header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(kid, str | None) or "crit" in header:
            raise _no("the token is not signed in a way that is accepted here")
        if str(header.get("typ", "")).lower() not in TYPES:
            raise _no("the token is of another kind than an ID token or an access token")
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise _no("the token is signed with a key that its issuer does not publish")
        try:
            claims = orjson.loads(jws.deserialize_compact(token, key, registry=_REGISTRY).payload or b"")
            self._claims.validate(claims)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _no(_why(error)) from None
        return _Verdict(self._principal(claims), claims["exp"] + self._settings.oidc_skew_seconds)

    def _principal(self, claims: dict[str, Any]) -> Principal:
        settings = self._settings
        claim, user = settings.oidc_user_claim, claims.get(settings.oidc_user_claim)
        if not isinstance(user, str) or not user:
            raise _no(f"the token has no claim {claim} that names a user")
        if claim == "email" and claims.get("email_verified", True) is not True:
            raise _no("the issuer has not verified the address in the token's claim email")
        user = settings.oidc_user_prefix + user
        if not is_user(user) or user.startswith(RESERVED):
            raise _no(f"the claim {claim} of the token cannot be the name of a user")
        groups = claims.get(settings.oidc_groups_claim, ()) if settings.oidc_groups_claim else ()
        named = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else ()
        prefixed = (settings.oidc_groups_prefix + group for group in named if isinstance(group, str) and group)
        return Principal(user, tuple(group for group in prefixed if not group.startswith(RESERVED)))


def _header(token: bytes) -> dict[str, Any]:
    """Return the header of a token, which nobody has verified yet. Raises SubmissionRejected (401)."""
    segment, *others = token.split(b".")
    try:
        header = orjson.loads(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    except (binascii.Error, ValueError):
        header = None
    if len(others) != 2 or not isinstance(header, dict):
        raise _no("the token is no signed JWT")
    return header


def _why(error: Exception) -> str:
    """Return what is wrong with a token, in words of our own: the library's repeat what stands in it."""
    claim = getattr(error, "claim", None)
    return {
        "exp": "the token has expired, or does not say when it will",
        "nbf": "the token is not valid yet",
        "iat": "the token is of the future",
        "iss": "the token is of another issuer",
        "aud": "the token is for another audience",
        None: "the token's signature is not good",
    }.get(claim, "the token has a malformed claim")


def _no(message: str) -> SubmissionRejected:
    return SubmissionRejected(rejections.unauthorized(message))

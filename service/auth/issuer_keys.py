"""The public keys of an OIDC issuer, found by discovery and kept fresh.

Fetched at the start and every few minutes, so that a key which the issuer has withdrawn ends being one here, and when a
token names one that is not known: at most once in an interval, whatever is sent. While the issuer is away the last ones
count. OpenID Connect Discovery 1.0, section 4; RFC 7517.
"""

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import orjson
from joserfc.jwk import ECKey, RSAKey

from service.lifecycle import cancel
from service.settings import AccessSettings
from service.settings.access import url_fault
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log
from service.tls import server_context

REFRESH_SECONDS: Final = 300.0
"""How often the keys are fetched."""

RETRY_SECONDS: Final = 5.0
"""How long after a failure they are fetched again."""

LEAST_SECONDS: Final = 10.0
"""Least time between two fetches, however many tokens name keys that are not known."""

TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 1024 * 1024
LEAST_RSA_BITS: Final = 2048
"""Smallest RSA key (RFC 7518, section 3.3)."""

Key = RSAKey | ECKey
_TYPES: Final[dict[str, type[Key]]] = {"RSA": RSAKey, "EC": ECKey}


_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")
"""Host and port of a URL, in letters that mean nothing else in a header."""


class Endpoints(NamedTuple):
    """Where a user logs in, and where a client changes the code that comes of it for a token."""

    authorization: str
    token: str


class _Unfit(Exception):
    """What the issuer has sent is of no use."""


class IssuerKeys:
    """The keys of one issuer; `watch` keeps them. `show` is given whether the issuer can be reached."""

    def __init__(self, settings: AccessSettings, show: Callable[[bool], None]) -> None:
        """Raises OSError where the authority's file cannot be used."""
        assert settings.oidc_issuer is not None  # noqa: S101 - the settings say so; tells mypy
        self.issuer = settings.oidc_issuer
        self._tls = server_context(settings.oidc_ca_file)
        self._show = show
        self._keys: tuple[Key, ...] | None = None
        self._published: Any = None
        self._failure: str | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._fetched_at = float("-inf")
        self.endpoints: Endpoints | None = None
        """Those of the discovery document, None where it has none or none that can be trusted."""
        self.generation = 0
        """Grows with every change of the keys: what was found out with those of before does not count any more."""

    @property
    def usable(self) -> bool:
        """Whether there are keys at all."""
        return self._keys is not None

    async def watch(self) -> None:
        """Fetch the keys again and again, until cancelled."""
        try:
            while True:
                await self._fetch()
                pause = RETRY_SECONDS if self._failure else REFRESH_SECONDS
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load, hides nothing
        finally:
            await cancel([self._fetching] if self._fetching else [])

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key that a token names, for an algorithm of RSA or EC; without a name there must be one key alone.

        Raises SubmissionRejected (503) while nobody can tell whether there is such a key.
        """
        key = self._known(kid, algorithm)
        if key is None and asyncio.get_running_loop().time() - self._fetched_at >= LEAST_SECONDS:
            await self._fetch()
            key = self._known(kid, algorithm)
        if key is None and (self._failure or self._keys is None):
            raise SubmissionRejected(rejections.access_unknown("the issuer of tokens does not answer"))
        return key

    def _known(self, kid: str | None, algorithm: str) -> Key | None:
        keys = self._keys or ()
        if kid is None and len(keys) > 1:  # OpenID Connect Core 1.0, section 10.1: then a token has to name one
            return None
        kind = ECKey if algorithm.startswith("ES") else RSAKey
        return next(
            (key for key in keys if isinstance(key, kind) and key.alg in (None, algorithm) and kid in (None, key.kid)),
            None,
        )

    async def _fetch(self) -> None:
        """Fetch the keys, once for all that wait for it."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._refresh())
        await asyncio.shield(self._fetching)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                published = await self._ask()
            keys = _usable(published)
        except (aiohttp.ClientError, OSError, ValueError, _Unfit) as error:  # a TimeoutError is an OSError
            failure = " ".join(str(error).split())[:300] or type(error).__name__
            if failure != self._failure:
                self._failure = failure
                log.error("issuer-unreachable", issuer=self.issuer, reason=failure, has_keys=self.usable)
            self._show(False)  # noqa: FBT003 - the one argument
            return
        finally:
            self._fetched_at = asyncio.get_running_loop().time()
        self._failure = None
        self._show(True)  # noqa: FBT003 - the one argument
        if published != self._published:
            self._published, self._keys = published, keys
            self.generation += 1
            log.info("issuer-keys-read", issuer=self.issuer, keys=[key.kid for key in keys])

    async def _ask(self) -> list[Any]:
        """Return the keys as they are published. Raises ClientError, OSError, ValueError, _Unfit."""
        connector = aiohttp.TCPConnector(ssl=self._tls)
        # as Kafka's token endpoint, it may be on the other side of a proxy of the environment
        async with aiohttp.ClientSession(connector=connector, trust_env=True) as session:
            discovery = await _json(session, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if discovery.get("issuer") != self.issuer:
                raise _Unfit("the discovery document is of another issuer than HTTP_OIDC_ISSUER")
            self.endpoints = _endpoints(discovery)
            location = str(discovery.get("jwks_uri"))
            if fault := url_fault(location):
                raise _Unfit(f"its jwks_uri {fault}")
            keys = (await _json(session, location)).get("keys")
        if not isinstance(keys, list):
            raise _Unfit("its jwks_uri has no keys")
        return keys


def _endpoints(discovery: Mapping[str, Any]) -> Endpoints | None:
    found = Endpoints(str(discovery.get("authorization_endpoint")), str(discovery.get("token_endpoint")))
    for url in found:
        # a query is allowed in both (RFC 6749, section 3), such as the name of a policy
        if url_fault(url.partition("?")[0]) or not _AUTHORITY.fullmatch(urlsplit(url).netloc):
            return None
    return found


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    # any type: some publish their keys as application/jwk-set+json alone, such as a Kubernetes API server
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise _Unfit(f"{url} answers {response.status}")
        body = await response.content.read(MAX_BYTES)
        while not response.content.at_eof() and len(body) < MAX_BYTES:
            body += await response.content.read(MAX_BYTES - len(body))
    document = orjson.loads(body)
    if not isinstance(document, dict):
        raise _Unfit(f"{url} is no JSON object")
    return document


def _usable(published: list[Any]) -> tuple[Key, ...]:
    """Return the public keys that signatures can be checked with; others, of whatever kind, are passed over."""
    keys = []
    for jwk in published:
        try:
            if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
                continue
            key = _TYPES[jwk["kty"]].import_key(jwk)
        except Exception:  # noqa: BLE001, S112 - no key, whatever it is; the others are
            continue
        if isinstance(key, ECKey) or key.public_key.key_size >= LEAST_RSA_BITS:
            keys.append(key)
    return tuple(keys)

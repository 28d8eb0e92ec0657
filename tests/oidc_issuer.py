"""An OIDC issuer on a real HTTP server, which signs whatever a test asks it for, and what an attacker would send."""

import base64
import hmac
import json
import time
from typing import Any, Self

from aiohttp import web
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE = "job-submission"
JWK_SET = "application/jwk-set+json"
ANY_ALGORITHM = JWSRegistry(
    algorithms=["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256"],
    strict_check_header=False,
)
Key = Any


class Issuer:
    """Publishes the keys in `keys` by their ids; `fetches` counts how often. While `away` it answers 503."""

    def __init__(self, path: str = "") -> None:
        self.keys: dict[str, Key] = {"one": RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})}
        self.fetches = 0
        self.away = False
        self.discovery: dict[str, Any] = {}
        """What is changed of the discovery document."""
        self.published: list[Any] | None = None
        """What is published in the place of `keys`."""
        self.url = ""
        self._path = path

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(f"{self._path}/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._server = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = self._server + self._path
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def add_key(self, kid: str, key: Key | None = None) -> Key:
        self.keys[kid] = key or RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
        return self.keys[kid]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good token of john's; None takes one away."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "john", "iat": now, "nbf": now, "exp": now + 300}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with these claims, signed with `key` or the published key `one`."""
        protected = {"alg": "RS256", "kid": "one", "typ": "JWT"} | (header or {})
        protected = {name: value for name, value in protected.items() if value is not None}
        payload = json.dumps(self.claims(**claims)).encode()
        return jws.serialize_compact(protected, payload, key or self.keys["one"], registry=ANY_ALGORITHM)

    def unsigned(self, **claims: Any) -> str:
        """A token that says it needs no signature (RFC 7519, section 6)."""
        return f"{segment({'alg': 'none', 'typ': 'JWT', 'kid': 'one'})}.{segment(self.claims(**claims))}."

    def swapped(self, **claims: Any) -> str:
        """A token whose signature is a digest made with the public key as the shared secret (RFC 8725, section 2.1)."""
        signed = f"{segment({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{segment(self.claims(**claims))}"
        secret = self.keys["one"].as_pem(private=False)
        return f"{signed}.{segment(hmac.digest(secret, signed.encode(), 'sha256'))}"

    async def _discovery(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        if self.away:
            return web.Response(status=503)
        document = {"issuer": self.url, "jwks_uri": f"{self._server}/keys"} | self.discovery
        return web.json_response(document)

    async def _keys(self, request: web.Request) -> web.Response:
        if not {"*/*", JWK_SET} & set(request.headers.get("Accept", "*/*").split(", ")):
            return web.Response(status=406)  # as an API server is
        own = [key.as_dict(private=False) for key in self.keys.values()]
        return web.json_response({"keys": own if self.published is None else self.published}, content_type=JWK_SET)


def segment(part: Any) -> str:
    """A part of a token: JSON, in the letters of URLs."""
    octets = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")

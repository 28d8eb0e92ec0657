"""An OIDC issuer on a real HTTP server, which signs whatever a test asks it for, and what an attacker would send."""

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any, Self

from aiohttp import web
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry
from yarl import URL

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
        self.asked: dict[str, str] = {}
        """What a browser came with to log in; it is sent back at once, as to who has logged in before."""
        self.answer: dict[str, str] = {}
        """What is changed of what it is sent back with."""
        self.given: dict[str, Any] = {}
        """What is changed of the claims of the token that it gets."""
        self.code = "code"
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
        app.router.add_get("/auth", self._log_in)
        app.router.add_post("/token", self._exchange)
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
        document = {
            "issuer": self.url,
            "jwks_uri": f"{self._server}/keys",
            "authorization_endpoint": f"{self._server}/auth",
            "token_endpoint": f"{self._server}/token",
        }
        return web.json_response(document | self.discovery)

    async def _log_in(self, request: web.Request) -> web.Response:
        """Send the browser back with a code (RFC 6749, section 4.1)."""
        self.asked = dict(request.query)
        answer = {"code": self.code, "state": self.asked["state"], "iss": self.url} | self.answer
        raise web.HTTPFound(URL(self.asked["redirect_uri"]).with_query(answer))

    async def _exchange(self, request: web.Request) -> web.Response:
        """Give a token for a code and the secret whose digest came before it (RFC 7636, section 4.6)."""
        given = {name: str(value) for name, value in (await request.post()).items()}
        digest = sha256(given.pop("code_verifier", "").encode()).digest()
        expected = {
            "grant_type": "authorization_code",
            "code": self.code,
            "client_id": self.asked["client_id"],
            "redirect_uri": self.asked["redirect_uri"],
        }
        headers = {"Access-Control-Allow-Origin": request.headers["Origin"]}
        if (given, segment(digest)) != (expected, self.asked["code_challenge"]):
            return web.json_response({"error": "invalid_grant"}, status=400, headers=headers)
        claims = {"nonce": self.asked["nonce"], "preferred_username": "John D."} | self.given
        token = self.token(**claims)
        return web.json_response({"id_token": token, "access_token": "x", "token_type": "Bearer"}, headers=headers)

    async def _keys(self, request: web.Request) -> web.Response:
        if not {"*/*", JWK_SET} & set(request.headers.get("Accept", "*/*").split(", ")):
            return web.Response(status=406)  # as an API server is
        own = [key.as_dict(private=False) for key in self.keys.values()]
        return web.json_response({"keys": own if self.published is None else self.published}, content_type=JWK_SET)


def segment(part: Any) -> str:
    """A part of a token: JSON, in the letters of URLs."""
    octets = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")

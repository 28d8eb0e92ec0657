"""What a browser needs to log its user in at the issuer: OAuth 2.0 authorization code with PKCE, as a public client.

The service has no part in it: the browser gets the token and sends it as any client does (RFC 9700, OAuth 2.0 for
browser-based applications).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from service.auth.issuer_keys import IssuerKeys
from service.submission import rejections
from service.submission.rejection import SubmissionRejected


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """How users are known here; with `keys` they can log in at the issuer, where `client_id` is registered."""

    authentication: str = "none"
    keys: IssuerKeys | None = None
    client_id: str = ""
    scope: str = ""

    def document(self) -> dict[str, Any]:
        """Return what a client has to know. Raises SubmissionRejected (503) before the issuer has said it."""
        return {"authentication": self.authentication, "oidc": self._issuer()}

    def _issuer(self) -> dict[str, str] | None:
        if self.keys is None or not self.client_id:
            return None
        endpoints = self.keys.endpoints
        if endpoints is None:
            raise SubmissionRejected(rejections.access_unknown("the issuer has not said where users log in"))
        return {
            "issuer": self.keys.issuer,
            "clientId": self.client_id,
            "scope": self.scope,
            "authorizationEndpoint": endpoints.authorization,
            "tokenEndpoint": endpoints.token,
        }

    @property
    def token_origin(self) -> str | None:
        """The origin from which the page gets its token; None where it gets none, or does not know yet."""
        if self.keys is None or not self.client_id or self.keys.endpoints is None:
            return None
        parts = urlsplit(self.keys.endpoints.token)
        return f"{parts.scheme}://{parts.netloc}"

"""A real OIDC identity provider, Dex, for tests alone: users with passwords and groups, clients, keys that it makes.

Built once from its Go module into the cache: two minutes or so on two cores. The go.mod names release 2.45.1 by its
commit, as Dex's releases have no number that Go takes. https://dexidp.io/docs/
"""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from devstack import golang
from devstack.ports import free_port
from devstack.process import Process

PASSWORD: Final = "password"  # noqa: S105 - everybody's, of a server that lives as long as a test
_PASSWORD_HASH = "$2b$10$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK"  # noqa: S105 - bcrypt of it
_MODULES = Path(__file__).with_name("identity_provider")


def dex(say: Callable[[str], None] = print) -> Path:
    """The program `dex`; builds it if it is missing.

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """
    return golang.built("dex", _MODULES, "Dex", "two minutes or so", say) / "bin" / "dex"


class Refused(Exception):
    """Dex gives no token; the message is its error."""


@dataclass(frozen=True)
class User:
    """Somebody who logs in with an address and `PASSWORD`."""

    email: str
    groups: tuple[str, ...] = ()
    verified: bool = True


class Certificate(NamedTuple):
    """PEM files of a certificate, of its key, and of the authority that clients have to know."""

    file: Path
    key: Path
    authority: Path


class LocalDex:
    """One Dex on 127.0.0.1 with its configuration and log in `data_dir`; all else it keeps in memory.

    Args:
        data_dir: made if it is missing.
        users: who can log in.
        clients: the redirect URIs of each client, by its id. They are public ones: none has a secret, and those that a
            browser sends prove themselves with PKCE (RFC 7636).
        origins: where the pages come from that may ask it (CORS).
        rotation: how long a key signs, such as `1s`; it looks whether that is over every 30 seconds.
        valid: for how long its tokens are good, such as `10m`. A key is published as long after its last signature.
        certificate: with which it answers over TLS; without one it answers in clear.
    """

    def __init__(
        self,
        data_dir: Path,
        users: Sequence[User],
        clients: Mapping[str, Sequence[str]],
        *,
        origins: Sequence[str] = (),
        rotation: str = "6h",
        valid: str = "10m",
        certificate: Certificate | None = None,
    ) -> None:
        self._dir = data_dir
        address = f"127.0.0.1:{free_port()}"
        self.url = f"{'https' if certificate else 'http'}://{address}/dex"
        """The issuer."""
        web: dict[str, Any] = {"http": address}
        if certificate:
            web = {"https": address, "tlsCert": str(certificate.file), "tlsKey": str(certificate.key)}
        self._config = {
            "issuer": self.url,
            "storage": {"type": "memory"},
            "web": web | {"allowedOrigins": list(origins), "allowedHeaders": ["Authorization", "Content-Type"]},
            "oauth2": {"skipApprovalScreen": True, "passwordConnector": "local"},
            "signer": {"type": "local", "config": {"keysRotationPeriod": rotation}},
            "expiry": {"idTokens": valid},
            "staticClients": [
                # each may ask for tokens that are for another as well (scope `audience:server:client_id:...`)
                {"id": each, "name": each, "public": True, "redirectURIs": list(uris), "trustedPeers": list(clients)}
                for each, uris in clients.items()
            ],
            "enablePasswordDB": True,
            "staticPasswords": [
                {
                    "email": user.email,
                    "emailVerified": user.verified,
                    "username": user.email.partition("@")[0],
                    "userID": f"id-of-{user.email}",
                    "groups": list(user.groups),
                    "hash": _PASSWORD_HASH,
                }
                for user in users
            ],
        }
        tls = ssl.create_default_context(cafile=certificate.authority) if certificate else None
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=tls)] if tls else [])
        )

    def start(self) -> Self:
        """Start it, for the first time or again, with a new key; wait until it answers.

        Raises:
            ServerError: it could not be built or did not start.
        """
        program = dex()
        self._dir.mkdir(parents=True, exist_ok=True)
        config = self._dir / "dex.json"
        config.write_text(json.dumps(self._config))  # JSON is YAML
        self._process = Process("Dex", [str(program), "serve", str(config)], self._dir / "dex.log")
        self._process.wait_until(self._is_ready)
        return self

    def stop(self) -> None:
        """End it. Its keys and sessions are gone."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def tokens(self, client: str, email: str, *scopes: str, password: str = PASSWORD) -> dict[str, Any]:
        """Log a user in by password (RFC 6749, section 4.3): `id_token`, `access_token` and the rest of the answer.

        Raises:
            Refused: the login is not good, or the client may not ask for these scopes.
        """
        form = {
            "grant_type": "password",
            "client_id": client,
            "username": email,
            "password": password,
            "scope": " ".join(("openid", *scopes)),
        }
        try:
            return self._ask("token", urllib.parse.urlencode(form).encode())
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode(errors="replace")) from error

    def published(self) -> list[str]:
        """The ids of the keys that it publishes."""
        return [key["kid"] for key in self._ask("keys")["keys"]]

    def _ask(self, path: str, form: bytes | None = None) -> dict[str, Any]:
        with self._opener.open(f"{self.url}/{path}", data=form, timeout=10) as answer:
            return json.load(answer)  # type: ignore[no-any-return] # an object, as both documents are

    def _is_ready(self) -> bool:
        try:
            self._ask(".well-known/openid-configuration")
        except OSError:
            return False
        return True

"""How to log in to the brokers, read anew for each connection: passwords, certificates and tokens change while we run.

Files of Secrets and of projected tokens are replaced by Kubernetes under the running process. A connection that is open
stays as it is; the next one uses what the files hold then, so that a login that failed is tried with the new ones.
"""

import base64
import ssl
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote_plus

import aiohttp
import orjson
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from service.broker.errors import BrokerUnavailable, describe
from service.settings import KafkaSettings
from service.tls import server_context

RENEW_SHARE = 0.8
"""Share of a token's life after which another one is asked for."""
DEFAULT_LIFE_SECONDS = 60.0
"""Life of a token whose answer does not say (RFC 6749, 5.1: `expires_in` is only recommended)."""


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Return the TLS settings of a connection, as the files are now; raises BrokerUnavailable where one is unusable."""
    files = (settings.ssl_ca_file, settings.ssl_cert_file, settings.ssl_key_file)
    try:
        contents = tuple(file.read_bytes() if file is not None else None for file in files)
    except OSError as error:
        raise BrokerUnavailable(f"a file of KAFKA_SSL_*_FILE: {describe(error)}") from error
    return _context(files, contents)


@lru_cache(maxsize=4)
def _context(files: tuple[Path | None, ...], _contents: tuple[bytes | None, ...]) -> ssl.SSLContext:
    """Make a context from `files`; one for as long as they hold the same."""
    authority, certificate, key = files
    try:
        context = server_context(authority)
    except OSError as error:
        raise BrokerUnavailable(f"KAFKA_SSL_CA_FILE {authority}: {describe(error)}") from error
    if certificate is not None:
        try:
            # no passphrase, or OpenSSL would ask the terminal for one
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            pair = f"KAFKA_SSL_CERT_FILE {certificate}, KAFKA_SSL_KEY_FILE {key}"
            raise BrokerUnavailable(f"{pair}: {describe(error)}") from error
    return context


def password(settings: KafkaSettings) -> str | None:
    """Return the password, as its file holds it now; raises BrokerUnavailable."""
    if settings.sasl_password_file is not None:
        return _line("KAFKA_SASL_PASSWORD_FILE", settings.sasl_password_file)
    return None if settings.sasl_password is None else settings.sasl_password.get_secret_value()


def _line(variable: str, file: Path) -> str:
    """Return what a file holds, without the end of its line; raises BrokerUnavailable."""
    try:
        text = file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerUnavailable(f"{variable} {file}: {describe(error)}") from error
    if not text:
        raise BrokerUnavailable(f"{variable} {file}: is empty")
    return text


def token_provider(settings: KafkaSettings) -> AbstractTokenProvider:
    """Return what gives tokens for OAUTHBEARER (RFC 7628, KIP-255): a file, or an endpoint."""
    return TokenFile(settings) if settings.sasl_oauth_token_file is not None else _client_credentials(settings)


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """A token that somebody else renews: a projected service account token, or the file of a sidecar."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def token(self) -> str:
        """Return the token in the file; raises KafkaConnectionError, as aiokafka expects for whatever may pass."""
        assert self._settings.sasl_oauth_token_file is not None  # noqa: S101 - see `token_provider`; tells mypy
        try:
            return _line("KAFKA_SASL_OAUTH_TOKEN_FILE", self._settings.sasl_oauth_token_file).strip()
        except BrokerUnavailable as error:
            raise KafkaConnectionError(str(error)) from error

    def extensions(self) -> dict[str, str]:
        """Return the SASL extensions that go with the token (KIP-342)."""
        return dict(self._settings.sasl_oauth_extensions)


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """Asks an OAuth 2.0 token endpoint with the client's own credentials (RFC 6749, 4.4), and keeps the token."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._token: str | None = None
        self._renew_at = 0.0

    async def token(self) -> str:
        """Return a token that is young enough; raises KafkaConnectionError."""
        if self._token is None or time.monotonic() >= self._renew_at:
            asked = time.monotonic()
            try:
                self._token, life = await self._ask()
            except (aiohttp.ClientError, OSError, ValueError, BrokerUnavailable) as error:
                raise KafkaConnectionError(f"{self._settings.sasl_oauth_token_url}: {describe(error)}") from None
            self._renew_at = asked + life * RENEW_SHARE
        return self._token

    def extensions(self) -> dict[str, str]:
        """Return the SASL extensions that go with the token (KIP-342)."""
        return dict(self._settings.sasl_oauth_extensions)

    def forget(self) -> None:
        """Drop the token: the brokers have refused it."""
        self._token = None

    async def _ask(self) -> tuple[str, float]:
        settings = self._settings
        assert settings.sasl_oauth_client_secret_file is not None  # noqa: S101 - the settings say so; tells mypy
        secret = _line("KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE", settings.sasl_oauth_client_secret_file)
        form = {"grant_type": "client_credentials"}
        if settings.sasl_oauth_scope is not None:
            form["scope"] = settings.sasl_oauth_scope
        # RFC 6749, 2.3.1: both are form-encoded before they become a user and a password
        login = f"{quote_plus(settings.sasl_oauth_client_id or '')}:{quote_plus(secret)}"
        headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=settings.request_timeout_seconds)
        connector = aiohttp.TCPConnector(ssl=server_context(settings.sasl_oauth_ca_file))
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=True) as session,
            session.post(
                str(settings.sasl_oauth_token_url), data=form, headers=headers, allow_redirects=False
            ) as response,
        ):
            body = await response.read()
            if response.status != 200:
                raise ValueError(f"answered {response.status}: {body[:200].decode('utf-8', 'replace')}")
        return _token_of(body)


def _token_of(body: bytes) -> tuple[str, float]:
    """Return the token of an answer and its life in seconds (RFC 6749, 5.1); raises ValueError."""
    answer = orjson.loads(body)
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise ValueError("the answer has no access_token")
    life = answer.get("expires_in", DEFAULT_LIFE_SECONDS)
    return token, float(life)


@lru_cache(maxsize=4)
def _client_credentials(settings: KafkaSettings) -> ClientCredentials:
    """Return the one provider of all clients of this process, so that they share a token."""
    return ClientCredentials(settings)

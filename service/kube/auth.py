"""What a request needs to reach the API server and to be let in, kept fresh.

Files are read again every half minute and after a 401: a kubelet rotates a pod's token, a kubeconfig is rewritten. A
credential plugin runs when its credential is about to expire and after a 401. Until then, and for as long as a new one
cannot be had, the old one is used; nothing is ever sent without the credentials that are configured.
"""

import asyncio
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from multidict import CIMultiDict

from service.kube.cluster_id import cluster_id
from service.kube.errors import FaultyLogin, LoginFailed
from service.kube.exec_plugin import Credential
from service.kube.kubeconfig import LoginConfig, read_login
from service.settings import KubeSettings
from service.telemetry.logs import log
from service.tls import server_context

REREAD_SECONDS: Final = 30.0
"""How long files are trusted before they are read anew: a kubelet rotates a token well before it expires."""

DISTRUST_SECONDS: Final = 1.0
"""How soon files are read anew when the API server refuses the credentials."""

RERUN_SECONDS: Final = 5.0
"""Pause between two runs of a plugin that fails, or whose credential is refused."""

EARLY: Final = timedelta(minutes=1)
"""How long before a credential expires the next one is asked for."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that a request needs besides its content; `headers` prove who asks."""

    server: str
    headers: CIMultiDict[str] = field(repr=False)
    tls: ssl.SSLContext
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a login of its own


class Login:
    """The way into one cluster. `read` reads its configuration, `plugin_timeout` is in seconds.

    Raises FaultyLogin where the configuration is of no use from the start.
    """

    def __init__(self, read: Callable[[], LoginConfig], plugin_timeout: float) -> None:
        self._read = read
        self._plugin_timeout = plugin_timeout
        self._config = read()
        self._credential: Credential | None = None
        self._access: Access | None = None
        self._refused = False
        self._failure: str | None = None
        self._faulty: str | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._fetch_after = 0.0
        self._read_at = time.monotonic()
        if self._config.source is None:
            self._access = _access(self._config, Credential())

    @classmethod
    def of(cls, settings: KubeSettings) -> Self:
        """Read the configuration that the settings name; no program is run. Raises FaultyLogin."""
        return cls(lambda: read_login(settings), settings.login_timeout_seconds)

    @property
    def cluster_id(self) -> bytes:
        """What tells this cluster from others, see `cluster_id`."""
        return cluster_id(self._config)

    async def access(self, patience: float) -> Access:
        """Return the credentials for a request, waiting for at most `patience` seconds. Raises LoginFailed."""
        if time.monotonic() - self._read_at >= (DISTRUST_SECONDS if self._refused else REREAD_SECONDS):
            self._reread()
        running = self._fetch()
        if running is not None and (self._access is None or self._refused or self._expires_within(timedelta())):
            await asyncio.wait((running,), timeout=patience)
        # one that has expired as soon as it was given means a wrong clock here: the API server may still take it
        has_newest = self._failure is None and (running is None or running.done())
        if self._access is None or (self._expires_within(timedelta()) and not has_newest):
            raise LoginFailed(self._failure or "the credential plugin has not answered yet")
        return self._access

    def distrust(self, access: Access) -> None:
        """Note that the API server has refused `access` (401)."""
        if access is self._access:
            self._refused = True

    async def close(self) -> None:
        """End a plugin that is running."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _expires_within(self, time_left: timedelta) -> bool:
        expires = self._credential.expires if self._credential else None
        return expires is not None and expires - datetime.now(UTC) <= time_left

    def _reread(self) -> None:
        """Take over what has changed on disk; what is of no use is told and passed over."""
        self._read_at = time.monotonic()
        try:
            config = self._read()
            credential = self._credential if config.source == self._config.source else None
            has_access = config.source is None or credential is not None
            access = _access(config, credential or Credential()) if has_access else None
        except FaultyLogin as error:
            if str(error) != self._faulty:
                self._faulty = str(error)
                log.warning("login-not-renewed", reason=str(error))
            return
        self._faulty = None
        if config.source is None:
            self._refused = False
        if config == self._config:
            return
        if config.source != self._config.source and self._fetching is not None:
            self._fetching.cancel()
            self._fetching, self._fetch_after = None, 0.0
        self._config, self._credential, self._access = config, credential, access
        log.info("login-changed", server=config.server)

    def _fetch(self) -> asyncio.Task[None] | None:
        """Have the plugin run where a new credential is needed; return the run that is under way, if there is one."""
        if self._config.source is None:
            return None
        if self._fetching is None or self._fetching.done():
            due = self._access is None or self._refused or self._expires_within(EARLY)
            if not due or time.monotonic() < self._fetch_after:
                return None
            self._fetching = asyncio.create_task(self._run_plugin())
        return self._fetching

    async def _run_plugin(self) -> None:
        config = self._config
        assert config.source is not None  # noqa: S101 - `_fetch` has looked
        try:
            credential = await config.source.run(self._plugin_timeout)
            access = _access(config, credential)
        except (LoginFailed, FaultyLogin) as error:
            if str(error) != self._failure:
                self._failure = str(error)
                log.warning("login-not-renewed", reason=str(error))
        else:
            self._access, self._credential = access, credential
            self._refused, self._failure = False, None
        self._fetch_after = time.monotonic() + RERUN_SECONDS


def _access(config: LoginConfig, credential: Credential) -> Access:
    """Put together what a request needs. Raises FaultyLogin where a certificate cannot be used."""
    authorization = f"Bearer {credential.token}" if credential.token else config.authorization
    headers = CIMultiDict(config.impersonation)
    if authorization:
        headers["Authorization"] = authorization
    try:
        tls = server_context(config.authority)
        if not config.verify:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        if credential.certificate and credential.key:
            _load_pair(tls, credential.certificate, credential.key)
        elif config.certificate:
            tls.load_cert_chain(config.certificate, config.key, password="")
    except (OSError, ValueError) as error:  # half-written files; an SSLError is an OSError
        raise FaultyLogin(f"a certificate of the login to Kubernetes cannot be used: {error}") from error
    return Access(config.server, headers, tls, config.tls_server_name, config.proxy)


def _load_pair(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a certificate and its key, which OpenSSL takes from files alone."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        for file, text in zip(pair, (certificate, key), strict=True):
            file.touch(mode=0o600)
            file.write_text(text)
        tls.load_cert_chain(*pair, password="")

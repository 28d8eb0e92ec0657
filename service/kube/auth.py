"""How to get into the cluster: the official client's configuration, kept fresh.

`kubernetes.aio.config` reads kubeconfigs, runs exec plugins and finds the service account of a pod; that is all the
service uses of the official client, whose typed requests cost several times the CPU of plain ones.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from ssl import SSLContext
from typing import Final, Self

from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import load_incluster_config, load_kube_config
from kubernetes.aio.config.kube_config import ENV_KUBECONFIG_PATH_SEPARATOR, KUBE_CONFIG_DEFAULT_LOCATION

from service.settings import KubeSettings
from service.telemetry.logs import log

RENEW_SECONDS: Final = 30.0
"""How long credentials are used before they are read anew: a kubelet rotates a token well before it expires."""

DISTRUST_SECONDS: Final = 1.0
"""How long credentials are used at least, even when the API server refuses them."""

Renewal = Callable[[], Awaitable[None]]


class LoginFailed(OSError):
    """The configuration cannot be read: a file, a context or a program is missing or broken."""


class Login:
    """The address of the API server, what it takes to trust it, and what makes it trust this service."""

    def __init__(self, configuration: Configuration, renew: Renewal) -> None:
        self._configuration = configuration
        self._renew = renew
        self._lock = asyncio.Lock()
        self._headers: dict[str, str] = {}
        self._read_at = self._stale_at = 0.0
        self.server: str = configuration.host.rstrip("/")
        self.tls: SSLContext = RESTClientObject(configuration).ssl_context
        self.tls_server_name: str | None = configuration.tls_server_name
        self.proxy: str | None = configuration.proxy
        self._apply()

    @classmethod
    async def read(cls, settings: KubeSettings) -> Self:
        """Read the configuration the settings name; raises LoginFailed."""
        configuration = Configuration()
        try:
            renew = await _load(settings, configuration)
            return cls(configuration, renew)
        except Exception as error:  # the client has no error of its own for most faults of a kubeconfig
            raise LoginFailed(f"the login to Kubernetes cannot be read: {error}") from error

    async def headers(self) -> dict[str, str]:
        """Return the headers that prove who asks, renewed where it is time."""
        if time.monotonic() >= self._stale_at:
            async with self._lock:
                if time.monotonic() >= self._stale_at:
                    await self._read_anew()
        return self._headers

    def distrust(self) -> None:
        """Note that the API server has refused the credentials: read them anew soon."""
        self._stale_at = min(self._stale_at, self._read_at + DISTRUST_SECONDS)

    async def _read_anew(self) -> None:
        try:
            await self._renew()
        except Exception as error:  # noqa: BLE001 - plugins may fail in any way, and the old credentials may still do
            log.warning("login-not-renewed", reason=str(error))
        self._apply()

    def _apply(self) -> None:
        """Use what the configuration says now, for new requests and new connections."""
        configuration = self._configuration
        try:
            if configuration.ssl_ca_cert:
                self.tls.load_verify_locations(configuration.ssl_ca_cert)
            if configuration.cert_file:
                self.tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        except OSError as error:  # half-written files; an SSLError is one too
            log.warning("login-not-renewed", reason=str(error))
        token = configuration.api_key.get("BearerToken")
        self._headers = {"Authorization": token.strip()} if token else {}
        self._read_at = time.monotonic()
        self._stale_at = self._read_at + RENEW_SECONDS


async def _load(settings: KubeSettings, configuration: Configuration) -> Renewal:
    """Fill the configuration and return what fills it again."""
    if settings.config_file is None and settings.context is None and "KUBERNETES_SERVICE_HOST" in os.environ:

        async def renew() -> None:
            load_incluster_config(configuration)  # type: ignore[no-untyped-call] # the client has no types

        await renew()
        return renew
    loader = await load_kube_config(  # type: ignore[no-untyped-call] # the client has no types
        _kubeconfig(settings), settings.context, configuration, persist_config=False
    )
    return partial(loader.load_and_set, configuration)


def _kubeconfig(settings: KubeSettings) -> str:
    """Return the kubeconfig's path, or several joined as in the variable KUBECONFIG."""
    files = str(settings.config_file or KUBE_CONFIG_DEFAULT_LOCATION)
    if not any(Path(file).expanduser().is_file() for file in files.split(ENV_KUBECONFIG_PATH_SEPARATOR)):
        raise FileNotFoundError(f"there is no kubeconfig at {files}")
    return files

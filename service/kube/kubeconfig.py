"""Reads how to log in: from the files of a kubeconfig, or from what Kubernetes puts into a pod.

The official client merges the files and finds context, cluster, user and what they refer to. Everything that is wrong
with them is a FaultyLogin that names the file and the fix; no program is run here.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_incluster_config
from kubernetes.aio.config.kube_config import (
    ENV_KUBECONFIG_PATH_SEPARATOR,
    KUBE_CONFIG_DEFAULT_LOCATION,
    KubeConfigLoader,
    KubeConfigMerger,
)

from service.kube.errors import FaultyLogin, LoginFailed
from service.kube.exec_plugin import Credential, ExecPlugin
from service.settings import KubeSettings

_PROXIES: Final = ("http", "https")  # what aiohttp can go through


@dataclass(frozen=True, slots=True)
class AuthProvider:
    """A kubeconfig's `auth-provider`, the forerunner of credential plugins; the official client asks it."""

    name: str
    section: str = field(repr=False)
    loader: "_Kubeconfig" = field(compare=False, repr=False)

    async def run(self, timeout: float) -> Credential:
        """Ask it for a token, for `timeout` seconds at most; raises LoginFailed."""
        try:
            async with asyncio.timeout(timeout):
                token = await self.loader.token_of_provider()
        except Exception as error:
            raise LoginFailed(
                f"the auth-provider {self.name} gave no token: {error or type(error).__name__}"
            ) from error
        return Credential(token.removeprefix("Bearer "))


@dataclass(frozen=True, slots=True)
class LoginConfig:
    """A login as it is configured.

    `source` has to be asked for the credential where none stands in the kubeconfig. `files` is a digest of the
    certificates' files, which may change in place.
    """

    server: str
    authorization: str | None = field(default=None, repr=False)
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a login of its own
    impersonation: tuple[tuple[str, str], ...] = ()
    source: ExecPlugin | AuthProvider | None = None
    files: str = ""


def read_login(settings: KubeSettings) -> LoginConfig:
    """Read the configuration that the settings name. Raises FaultyLogin."""
    if settings.config_file is None and settings.context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _of_pod()
    files = str(settings.config_file or KUBE_CONFIG_DEFAULT_LOCATION)
    what = f"KUBE_CONFIG_FILE: {files}" if settings.config_file else f"the kubeconfig {files}"
    try:
        return _Kubeconfig.read(files, settings.context).login()
    except FaultyLogin as error:
        raise FaultyLogin(f"{what} {error}") from None
    except Exception as error:  # the client has no error of its own for most faults of a kubeconfig
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FaultyLogin(f"{what} cannot be read: {reason}") from error


def _of_pod() -> LoginConfig:
    configuration = Configuration()
    try:
        load_incluster_config(configuration)
    except Exception as error:
        reason = f"the pod's service account cannot be read: {error} Is automountServiceAccountToken on?"
        raise FaultyLogin(reason) from error
    return LoginConfig(
        server=configuration.host,
        authorization=configuration.api_key["BearerToken"].strip(),
        authority=configuration.ssl_ca_cert,
        files=_digest([configuration.ssl_ca_cert]),
    )


class _Kubeconfig(KubeConfigLoader):
    """The official client's loader of one context, which looks for the faults that it leaves to its callers."""

    _cluster: Any
    _current_context: Any
    _user: Any

    @classmethod
    def read(cls, files: str, context: str | None) -> "_Kubeconfig":
        """Read the files, joined as in the variable KUBECONFIG."""
        paths = [Path(file).expanduser() for file in files.split(ENV_KUBECONFIG_PATH_SEPARATOR) if file]
        there = [path for path in paths if path.is_file()]
        if not there:
            raise FaultyLogin("is not there: there is no such file")
        for path in there:
            if not isinstance(yaml.safe_load(path.read_text()), dict):
                raise FaultyLogin("is empty, or no kubeconfig")
        merged = KubeConfigMerger(ENV_KUBECONFIG_PATH_SEPARATOR.join(map(str, there))).config
        wanted = context or merged.value.get("current-context")
        known = [each["name"] for each in merged.value["contexts"]]
        if not wanted:
            raise FaultyLogin(f"has no current context: name one with KUBE_CONTEXT ({_among(known)})")
        if wanted not in known:
            raise FaultyLogin(f"has no context {wanted} ({_among(known)}): see KUBE_CONTEXT")
        return cls(merged, wanted, config_base_path=None)

    def login(self) -> LoginConfig:
        """Return what the context says. Raises FaultyLogin, and whatever the official client raises."""
        cluster, user = self._cluster.value, self._checked_user()
        server = str(cluster.get("server") or "")
        if urlsplit(server).scheme not in ("http", "https"):
            raise FaultyLogin(f"has no http or https address as the server of its cluster: {server!r}")
        proxy = cluster.get("proxy-url")
        if proxy and urlsplit(proxy).scheme not in _PROXIES:
            raise FaultyLogin(f"has the proxy-url {proxy}: only http:// and https:// proxies can be used")
        source = self._source(user)
        if user and source is None and not self._load_user_token():
            self._load_user_pass_token()
        self._load_cluster_info()
        authority, certificate, key = (getattr(self, name, None) for name in ("ssl_ca_cert", "cert_file", "key_file"))
        authorization: str | None = getattr(self, "token", None)
        if server.startswith("https") and not (authorization or certificate or source):
            raise FaultyLogin("has a user without credentials: no token, certificate, password or exec section")
        return LoginConfig(
            server=self.host,
            authorization=authorization and authorization.strip(),
            authority=authority,
            certificate=certificate,
            key=key,
            verify=getattr(self, "verify_ssl", True),
            tls_server_name=getattr(self, "tls_server_name", None),
            proxy=proxy,
            impersonation=_impersonation(user),
            source=source,
            files=_digest([authority, certificate, key]),
        )

    def _checked_user(self) -> dict[str, Any]:
        """Return the user of the context, an empty one only where the way to the server is not encrypted anyway."""
        name = self._current_context["context"].safe_get("user")
        if self._user is None:
            if name or str(self._cluster.value.get("server")).startswith("https"):
                wrong = f"the user {name}, which it does not have" if name else "no user"
                raise FaultyLogin(f"has a context with {wrong}")
            return {}
        user: dict[str, Any] = self._user.value
        return user

    async def token_of_provider(self) -> str:
        """Have the official client ask the `auth-provider`; raises whatever it raises."""
        await self._load_authentication()
        token: str = self.token
        return token

    def _source(self, user: Mapping[str, Any]) -> ExecPlugin | AuthProvider | None:
        if self.provider:
            return AuthProvider(self.provider, repr(user["auth-provider"]), self)
        return self._plugin(user["exec"]) if user.get("exec") else None

    def _plugin(self, section: Mapping[str, Any]) -> ExecPlugin:
        command, api_version = section.get("command"), section.get("apiVersion")
        if not command or not api_version:
            raise FaultyLogin("has an exec section without command or apiVersion")
        if section.get("interactiveMode") == "Always":
            raise FaultyLogin(f"has the credential plugin {command} with interactiveMode Always: here is no terminal")
        if "/" in command:  # is relative to the kubeconfig; a bare name is looked for on the PATH
            command = str(Path(self._user.path).parent / command)
        environment = tuple((str(each["name"]), str(each["value"])) for each in section.get("env") or ())
        cluster = orjson.dumps(self._told_cluster()).decode() if section.get("provideClusterInfo") else None
        return ExecPlugin(command, tuple(map(str, section.get("args") or ())), environment, api_version, cluster)

    def _told_cluster(self) -> dict[str, Any]:
        """Return the cluster as `ExecCredential.spec.cluster` has it."""
        names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        return {name: value for name in names if (value := self._cluster.value.get(name)) is not None}


def _impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a user that acts as another: kubeconfig's `as`, `as-groups` and the like.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
    """
    headers = [("Impersonate-User", user["as"])] if user.get("as") else []
    headers += [("Impersonate-Uid", user["as-uid"])] if user.get("as-uid") else []
    headers += [("Impersonate-Group", group) for group in user.get("as-groups") or ()]
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    if headers and not user.get("as"):
        raise FaultyLogin("has a user with as-uid, as-groups or as-user-extra and no as")
    return tuple(headers)


def _among(names: Iterable[str]) -> str:
    return f"it has {', '.join(names)}" if names else "it has none"


def _digest(files: Iterable[str | None]) -> str:
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files if file)).hexdigest()

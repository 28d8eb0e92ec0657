"""An administrator's way into a local Kubernetes API: a kubeconfig, and the few requests the stack itself makes."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class AdminApi:
    """Where a Kubernetes API is and how to get in.

    Attributes:
        url: the server's address, without a slash at its end.
        token: the administrator's bearer token; empty where another way logs in.
        ca_file: the authority of the server's certificate; None for a plain HTTP server.
        client_certificate: files of a certificate and its key that log in where the token does not; kubeconfigs of
            other clusters have them.
    """

    url: str
    token: str
    ca_file: Path | None
    client_certificate: tuple[Path, Path] | None = None

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the decoded answer (None where it is not JSON). A PATCH is a JSON merge patch (RFC 7396).

        Raises:
            urllib.error.HTTPError: the server answered a status of 400 or above.
        """
        return self.exchange(method, path, body)[0]

    def exchange(self, method: str, path: str, body: Any = None) -> tuple[Any, Message]:
        """One request as of `request`; the decoded answer and its headers."""
        request = urllib.request.Request(  # noqa: S310 - the address is our own
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"},
            method=method,
        )
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.ProxyHandler({})  # 127.0.0.1 is not reached through a company's proxy
        ]
        if self.ca_file:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            if self.client_certificate:
                context.load_cert_chain(*self.client_certificate)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else None, answer.headers

    def is_ready(self) -> bool:
        """Whether the server answers its `/readyz` with 200."""
        try:
            self.request("GET", "/readyz")
        except OSError:  # URLError, HTTPError and a missing certificate are OSErrors too
            return False
        return True

    def make_namespace(self, name: str) -> None:
        """Make a namespace; one that exists is fine."""
        self.ensure("/api/v1/namespaces", {"metadata": {"name": name}})

    def ensure(self, path: str, body: Any) -> None:
        """Create an object in the collection at `path`; one of that name that exists is fine."""
        try:
            self.request("POST", path, body)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def kubeconfig(self) -> str:
        """A kubeconfig file that leads here with this login."""
        user: dict[str, Any] = {"token": self.token}
        if self.client_certificate:
            certificate, key = (str(file.resolve()) for file in self.client_certificate)
            user = {"client-certificate": certificate, "client-key": key}
        return kubeconfig(self.url, user, self.ca_file)


def kubeconfig(server: str, user: Mapping[str, Any], ca_file: Path | None = None) -> str:
    """A kubeconfig file with one cluster, user and context, all called `local`; JSON, which is YAML.

    https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

    Args:
        server: the API server's URL.
        user: how to log in, such as `{"token": "..."}`.
        ca_file: the authority of the server's certificate.
    """
    authority = {"certificate-authority": str(ca_file.resolve())} if ca_file else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        "clusters": [{"name": "local", "cluster": {"server": server, **authority}}],
        "users": [{"name": "local", "user": dict(user)}],
    }
    return json.dumps(config, indent=2)

"""Runs a kubeconfig's credential plugin: a program that prints a token or a certificate (client-go exec plugin).

The official client's own runner can hang for ever, and goes on without credentials when the program fails.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from service.kube.errors import LoginFailed

_MAX_TEXT: Final = 300  # characters passed on of what the program says on standard error
_KILLS: Final = 20  # a child that has left the session is left alone


@dataclass(frozen=True, slots=True)
class Credential:
    """What logs in: a token, or a client certificate and its key as PEM; `expires` where the program says when."""

    token: str | None = field(default=None, repr=False)
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program as a kubeconfig's `exec` section names it; `cluster` is what it is told about the cluster, if asked."""

    command: str
    arguments: tuple[str, ...] = field(repr=False)
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    api_version: str
    cluster: str | None = None

    @property
    def name(self) -> str:
        """The program's name, for messages."""
        return Path(self.command).name

    async def run(self, timeout: float) -> Credential:
        """Run the program, for `timeout` seconds at most; raises LoginFailed. Cancelling ends the program too."""
        info: dict[str, Any] = {"apiVersion": self.api_version, "kind": "ExecCredential"}
        info["spec"] = {"interactive": False} | ({"cluster": orjson.loads(self.cluster)} if self.cluster else {})
        environment = {**os.environ, **dict(self.environment), "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}
        try:
            process = await asyncio.create_subprocess_exec(
                self.command,
                *self.arguments,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a null byte
            raise LoginFailed(f"the credential plugin {self.name} cannot be run: {error}") from error
        try:
            async with asyncio.timeout(timeout):
                output, complaint = await process.communicate()
        except TimeoutError:
            raise LoginFailed(f"the credential plugin {self.name} did not end within {timeout:g} s") from None
        finally:
            if process.returncode is None:
                await _kill(process)
        if process.returncode != 0:
            said = " ".join(complaint.decode(errors="replace").split())[-_MAX_TEXT:].strip()
            raise LoginFailed(f"the credential plugin {self.name} ended with code {process.returncode}: {said}")
        return self._credential(output)

    def _credential(self, output: bytes) -> Credential:
        try:
            answer = orjson.loads(output)
            if answer["apiVersion"] != self.api_version:
                msg = f"its apiVersion is {answer['apiVersion']}, not {self.api_version}"
                raise ValueError(msg)
            status: Mapping[str, Any] = answer["status"]
            expiry = status.get("expirationTimestamp")
            expires = _time(expiry) if expiry else None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # never the output itself, which may hold a token
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise LoginFailed(
                f"what the credential plugin {self.name} printed is no ExecCredential: {reason}"
            ) from None
        token, certificate, key = (
            status.get(field) or None for field in ("token", "clientCertificateData", "clientKeyData")
        )
        if not (token or certificate) or bool(certificate) != bool(key):
            raise LoginFailed(f"the credential plugin {self.name} gave neither a token nor a certificate with its key")
        return Credential(token, certificate, key, expires)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End the program and its children, also one that is being forked at this moment."""
    for _ in range(_KILLS):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await process.communicate()
                return


def _time(text: str) -> datetime:
    """Return an RFC 3339 time."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)

"""Changes how aiokafka connects, sends and refreshes its metadata, for all clients of the process.

Clients create their connections themselves, so that there is no instance to pass in: `install` replaces methods of the
classes.
"""

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason, OAuthAuthenticator
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed

from service.broker.errors import BrokerUnavailable, describe

PROTOCOL_HINT = "does KAFKA_SECURITY_PROTOCOL fit this port?"

upstream_send = AIOKafkaConnection.send
upstream_close = AIOKafkaConnection.close
upstream_connect = AIOKafkaConnection.connect
upstream_bootstrap = AIOKafkaClient.bootstrap
upstream_token_step = OAuthAuthenticator.step
upstream_metadata_update = AIOKafkaClient._metadata_update

CLOSE_SECONDS = 1.0
"""How long a broker may take to take part in the end of a connection."""
METADATA_BACKOFF_SECONDS = 0.2
"""Shortest time between two refreshes of a client's metadata."""

_failures: ContextVar[dict[str, str]] = ContextVar("failures")
"""Why the last try to connect to a broker failed, by its address."""
_refreshed: WeakKeyDictionary[AIOKafkaClient, float] = WeakKeyDictionary()
"""When each client's metadata was last refreshed."""


def install() -> None:
    """Replace the methods; doing it again changes nothing."""
    AIOKafkaConnection.send = _send
    AIOKafkaConnection.close = _close
    AIOKafkaConnection.connect = _connect
    OAuthAuthenticator.step = _token_step
    AIOKafkaClient.bootstrap = _bootstrap
    AIOKafkaClient._metadata_update = _metadata_update


def _send(connection: AIOKafkaConnection, *request: Any, **options: Any) -> Any:
    """Send a request, or raise KafkaConnectionError where the connection is lost (aiokafka #1038).

    uvloop raises RuntimeError for a write to a lost connection. aiokafka expects OSError and reconnects after it; the
    RuntimeError ends whichever of its tasks has sent the request.
    """
    try:
        return upstream_send(connection, *request, **options)
    except KafkaError:  # is a RuntimeError too
        raise
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(describe(error)) from error


def _close(connection: AIOKafkaConnection, *arguments: Any, **options: Any) -> Any:
    """Close a connection, and cut it off after CLOSE_SECONDS; return the future of its end, None where it never began.

    TLS ends with a message from each side. asyncio and uvloop wait for the broker's for 30 seconds, and everybody who
    closes a client of a broker that hangs waits with them. No upstream issue.
    """
    writer = connection._writer
    closed = upstream_close(connection, *arguments, **options)
    if writer is not None and closed is not None and not closed.done() and not closed.get_loop().is_closed():
        timer = closed.get_loop().call_later(CLOSE_SECONDS, writer.transport.abort)
        closed.add_done_callback(lambda _: timer.cancel())
    return closed


class Deferred:
    """An argument of a client whose value is asked for with each connection (see `_connect`)."""

    def __init__(self, value: Callable[[], Any]) -> None:
        self.value = value


async def _connect(connection: AIOKafkaConnection) -> Any:
    """Connect and log in with the credentials of now, and note why that failed, for `_bootstrap`.

    aiokafka takes passwords and TLS settings when a client is made and keeps them for all its connections. No upstream
    issue.
    """
    try:
        for name in ("_ssl_context", "_sasl_plain_password"):
            given = getattr(connection, name)
            if isinstance(given, Deferred):
                setattr(connection, name, given.value())
        return await upstream_connect(connection)
    except BrokerUnavailable as error:
        failure: Exception = KafkaConnectionError(str(error))
        failure.__cause__ = error
    except (OSError, KafkaError) as error:
        failure = error
        if isinstance(error, SaslAuthenticationFailed):
            getattr(connection._sasl_oauth_token_provider, "forget", _nothing)()
    _failures.get({})[f"{connection.host}:{connection.port}"] = _reason(failure)
    raise failure


def _nothing() -> None: ...


async def _token_step(authenticator: OAuthAuthenticator, payload: bytes | None) -> Any:
    """Go on with a login by token: acknowledge a refusal, upon which the broker says the error (RFC 7628, 3.2.3).

    aiokafka takes the broker's first answer, whatever it is, for success; the connection is then closed by the broker
    without a reason. No upstream issue.
    """
    if authenticator._token_sent and payload:
        return b"\x01", True
    return await upstream_token_step(authenticator, payload)


async def _bootstrap(client: AIOKafkaClient) -> None:
    """Find the brokers, or raise KafkaConnectionError with the reason of each.

    aiokafka logs the reasons and raises an error that has only the addresses. No upstream issue.
    """
    failures: dict[str, str] = {}
    token = _failures.set(failures)
    try:
        await upstream_bootstrap(client)
    except KafkaConnectionError as error:
        reasons = [f"{broker}: {reason}" for broker, reason in failures.items()]
        raise KafkaConnectionError("; ".join(reasons) or f"no answer: {PROTOCOL_HINT}") from error
    finally:
        _failures.reset(token)


async def _metadata_update(client: AIOKafkaClient, *arguments: Any) -> Any:
    """Refresh the metadata, but not at once again.

    While a partition has no leader, producers and consumers ask for a refresh as soon as the last one has ended: a
    deleted topic costs a core and 500 log lines a second. The Java client pauses for `retry.backoff.ms`. No upstream
    issue.
    """
    await asyncio.sleep(_refreshed.get(client, float("-inf")) + METADATA_BACKOFF_SECONDS - time.monotonic())
    try:
        return await upstream_metadata_update(client, *arguments)
    finally:
        _refreshed[client] = time.monotonic()


def _reason(error: BaseException) -> str:
    """Return why a broker could not be connected to; of a connection that the broker closed aiokafka says just that."""
    cause = error.__cause__ or error
    if isinstance(cause, EOFError | ConnectionResetError):
        return f"the broker closed the connection; if it always does, {PROTOCOL_HINT}"
    return describe(cause)

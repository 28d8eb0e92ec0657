"""From the settings to the arguments of any Kafka client, its connections, and the pauses between tries to connect."""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from service.broker.errors import BrokerUnavailable
from service.logs import log
from service.settings import KafkaSettings

T = TypeVar("T")

METADATA_MAX_AGE_MS = 30_000
"""How soon new partitions and moved leaders are noticed without an error that tells of them."""
RETRY_SECONDS = (0.2, 2.0)
"""First and longest pause between two tries to connect."""


_send = AIOKafkaConnection.send


def _send_or_fail(connection: AIOKafkaConnection, *request: Any, **options: Any) -> Any:
    """Send a request, or raise KafkaConnectionError, which aiokafka expects and mends, where the connection is lost.

    uvloop raises RuntimeError for a write to it, which ends whichever task of aiokafka's meets it (aiokafka #1038).
    """
    try:
        return _send(connection, *request, **options)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(describe(error)) from error


AIOKafkaConnection.send = _send_or_fail  # clients make their connections themselves, of this one class


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments that all of aiokafka's clients share.

    Raises OSError or ssl.SSLError where a certificate file cannot be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.ssl_ca_file)
        if settings.ssl_cert_file is not None:
            context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file)
        arguments["ssl_context"] = context
    if settings.security_protocol.startswith("SASL"):
        password = settings.sasl_password
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = None if password is None else password.get_secret_value()
    return arguments


async def until_connected(connect: Callable[[], Awaitable[T]], client: str) -> T:
    """Return what `connect` gives, trying again with growing pauses for as long as the brokers do not answer.

    `client` names the part in the log. Anything but a failure to reach or use Kafka is raised.
    """
    pause, longest = RETRY_SECONDS
    for tries in itertools.count(1):
        try:
            return await connect()
        except (KafkaError, BrokerUnavailable, TimeoutError, OSError) as error:
            log.warning("kafka-unreachable", client=client, tries=tries, reason=describe(error))
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)
    raise AssertionError  # the loop above has no end


def describe(error: BaseException) -> str:
    """Return an error in one line: many of aiokafka's have no text of their own."""
    return str(error) or type(error).__name__

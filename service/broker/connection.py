"""From the settings to the arguments of any Kafka client, and the pauses between tries to connect."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from service.broker.credentials import password, tls_context, token_provider
from service.broker.errors import BrokerUnavailable, describe
from service.broker.patches import Deferred, install
from service.settings import KafkaSettings
from service.telemetry.logs import log
from service.telemetry.repetitions import Repetitions

T = TypeVar("T")

METADATA_MAX_AGE_MS = 5_000
"""How soon new partitions and moved leaders are noticed without an error that tells of them.

A broker that is cut off from its peers does not know that its partitions have moved, so that clients which still reach
it wait for it: with 30 s some work stood still for up to 46 s, with 5 s for 13 s."""
RETRY_SECONDS = (0.2, 2.0)
"""First and longest pause between two tries to connect."""


install()


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments that all of aiokafka's clients share.

    Raises BrokerUnavailable where a file of a certificate or a password cannot be used: it may be about to be replaced.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        tls_context(settings)
        arguments["ssl_context"] = Deferred(lambda: tls_context(settings))
    if settings.security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        if settings.sasl_mechanism == "OAUTHBEARER":
            arguments["sasl_oauth_token_provider"] = token_provider(settings)
        else:
            password(settings)
            arguments["sasl_plain_username"] = settings.sasl_username
            arguments["sasl_plain_password"] = Deferred(lambda: password(settings))
    return arguments


_repetitions = Repetitions()


def note_unreachable(client: str, reason: str, tries: int | None = None) -> None:
    """Log that a part of the service cannot use Kafka, the same reason once in a while."""
    suppressed = _repetitions.count((client, reason))
    if suppressed is not None:
        log.warning("kafka-unreachable", client=client, tries=tries, reason=reason, suppressed=suppressed or None)


async def until_connected(connect: Callable[[], Awaitable[T]], client: str) -> T:
    """Return what `connect` gives, trying again with growing pauses for as long as the brokers do not answer.

    `client` names the part in the log. Anything but a failure to reach or use Kafka is raised.
    """
    pause, longest = RETRY_SECONDS
    for tries in itertools.count(1):
        try:
            return await connect()
        except (KafkaError, BrokerUnavailable, OSError) as error:
            note_unreachable(client, describe(error), tries)
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)
    raise AssertionError  # the loop above has no end

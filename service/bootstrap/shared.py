"""What the roles of a process share, and how each of them is known to the outside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from service.auth.signatures import Signatures, Signer
from service.broker import Producer
from service.kube import FaultyLogin, Login
from service.settings import ConsumerSettings, FaultySettings, Settings, WatcherSettings
from service.settings.pod import own_namespace
from service.submission.identity import digest
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing

INSTANCE_DIGITS: Final = 10
"""Digits in an instance id that stand for cluster, namespace and installation."""

Checks = dict[str, Callable[[], bool | str]]
MemberSettings = TypeVar("MemberSettings", ConsumerSettings, WatcherSettings)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all roles of a process share."""

    settings: Settings
    metrics: Metrics
    checks: Checks
    producer: Producer
    tracing: Tracing
    signer: Signer | None
    signatures: Signatures | None


def login_of(settings: Settings) -> Login:
    """Read how to log in to Kubernetes. Raises FaultySettings."""
    try:
        return Login.of(settings.kube)
    except FaultyLogin as error:
        raise FaultySettings([str(error)]) from None


def member_of(settings: MemberSettings, installation: str, login: Login) -> MemberSettings:
    """Return settings with an instance id that no other installation on the same Kafka has.

    Two releases of one name, for staging and production say, have pods of the same names.
    """
    if settings.instance_id is None:
        return settings
    where = digest(login.cluster_id, own_namespace() or "", installation).hex()[:INSTANCE_DIGITS]
    return settings.model_copy(update={"instance_id": f"{settings.instance_id}.{where}"})

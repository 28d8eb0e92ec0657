"""Types that several settings share."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("must not be empty")
    return name


def _kafka_name(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
        raise ValueError("must be a topic's name: 1 to 249 letters, digits, dots, underscores or hyphens")
    return name


Topic = Annotated[str, AfterValidator(_kafka_name)]
"""The name of a topic (Apache Kafka, `org.apache.kafka.common.internals.Topic`)."""


Name = Annotated[str, AfterValidator(_not_blank)]
"""The name of a consumer group or of a member: anything but nothing."""


def _label_value(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", text):
        raise ValueError("must be the value of a label: 1 to 63 letters, digits, dots, underscores or hyphens")
    return text


LabelValue = Annotated[str, AfterValidator(_label_value)]
"""The value of a label that is not empty (Kubernetes, "Labels and Selectors", "Syntax and character set")."""


def _object_name_or_none(text: str) -> str:
    if text and not (re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text) and len(text) <= 253):
        raise ValueError("must be the name of an object, lower-case letters, digits, dots and hyphens, or empty")
    return text


ObjectNameOrNone = Annotated[str, AfterValidator(_object_name_or_none)]
"""The name of an object in Kubernetes ("Object Names and IDs", "DNS Subdomain Names"), or nothing."""


def _brokers(servers: str) -> str:
    for server in servers.split(","):
        if fault := _broker_fault(server.strip()):
            raise ValueError(f"{server.strip()!r} {fault}; write host:port,host:port")
    return servers


def _broker_fault(server: str) -> str | None:
    """Return what is wrong with the address of a broker, or None."""
    if not server:
        return "is no broker"
    if "://" in server:
        return "has a protocol, which goes into KAFKA_SECURITY_PROTOCOL"
    address = re.fullmatch(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?", server)
    if address is None and "[" in server:
        return "is no address of a broker"
    if address is None:
        return "has more than one colon: an IPv6 address stands in brackets, [fd00::1]:9092"
    if address["ipv6"] is not None:
        try:
            ipaddress.IPv6Address(address["ipv6"])
        except ValueError:
            return "has no IPv6 address in its brackets"
    elif not re.fullmatch(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_.])?", address["host"]):
        return "has no host name"
    port = address["port"]
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        return "has no port from 1 to 65535"
    return None


Brokers = Annotated[str, AfterValidator(_brokers)]
"""Addresses of brokers, written with commas; without a port it is 9092."""


def _split(value: object) -> object:
    return filter(None, map(str.strip, value.split(","))) if isinstance(value, str) else value


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]
"""A set of names, written with commas."""
NamesIfSet = Annotated[frozenset[str] | None, NoDecode, BeforeValidator(_split)]
"""A set of names, written with commas; None where the variable is not set, unlike where it is empty."""


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [tuple(map(str.strip, pair.partition("=")[::2])) for pair in value.split(",") if pair.strip()]
    if not all(name and text for name, text in pairs):
        raise ValueError("must be written name=value,name=value")
    return tuple(pairs)


Pairs = Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_pairs)]
"""Names with a value each, written with equals signs and commas."""

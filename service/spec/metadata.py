"""`labels` and `annotations`: keys and values of Kubernetes ("Labels and Selectors"), outside the reserved keys.

A label or annotation can change what a cluster does with a pod, so those that mean something to Kubernetes, to the
schedulers of the profiles or to this service are not a request's to set.
"""

import re
from typing import Final

from service.spec.fields import Rule, text
from service.spec.names import DNS_1123_SUBDOMAIN, label_value

RESERVED_DOMAINS: Final = (
    "kubernetes.io",
    "k8s.io",
    "x-k8s.io",
    "job-submission.io",
    "run.ai",
    "runai",
    "kai.scheduler",
)
"""Domains whose keys are reserved, and those of the domains below them."""

RESERVED_KEYS: Final = frozenset(
    {
        "project",
        "priorityClassName",
        "elastic",
        "gpu-fraction",
        "gpu-fraction-num-devices",
        "gpu-memory",
        "job-name",
        "controller-uid",
    }
)
"""Reserved keys without a domain."""

_LONGEST_DOMAIN: Final = 253
_LONGEST_NAME: Final = 63

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:({DNS_1123_SUBDOMAIN.pattern})/)?({_NAME})")


def is_reserved(key: str) -> bool:
    """Tell whether a key means something to the cluster, its scheduler or this service, so that no request sets it."""
    domain = key.rpartition("/")[0]
    return key in RESERVED_KEYS or any(f".{domain}".endswith(f".{reserved}") for reserved in RESERVED_DOMAINS)


def _key(key: str) -> str:
    found = _KEY.fullmatch(key)
    domain, name = found.groups(default="") if found else ("", "")
    if not name or len(name) > _LONGEST_NAME or len(domain) > _LONGEST_DOMAIN:
        raise ValueError(
            f"must have a key of 1 to {_LONGEST_NAME} letters, digits, '-', '_' and '.', after a domain and '/' if any"
        )
    if is_reserved(key):
        raise ValueError("has a reserved key, which means something to the cluster or its scheduler: give another")
    return key


key: Final[Rule[str]] = text("a key", _key, {"pattern": f"^{_KEY.pattern}$"})
"""The key of a label or annotation."""


def _value(value: str) -> str:
    return value and label_value.read(value)


value: Final[Rule[str]] = text("the value of a label", _value, {"maxLength": label_value.schema["maxLength"]})
"""The value of a label, which may be empty."""

"""Names that Kubernetes has rules for: of Jobs, projects, classes, claims, labels, environment variables.

Sources: Kubernetes, "Object Names and IDs" and "Labels and Selectors"; RFC 1035 and RFC 1123 for the labels of DNS.
"""

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from pydantic import ValidationInfo

from service.spec.fields import Rule, pattern, text
from service.spec.limits import limits_of

_DNS_1035_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_DNS_1123_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
DNS_1123_SUBDOMAIN = re.compile(rf"{_DNS_1123_LABEL.pattern}(?:\.{_DNS_1123_LABEL.pattern})*")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_ENVIRONMENT_NAME = re.compile(r"(?!\.\.|\.$)[-._a-zA-Z][-._a-zA-Z0-9]*")

_LETTER_FIRST = "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"
_SUBDOMAIN = "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"

job_name: Final = pattern(_DNS_1035_LABEL, 63, _LETTER_FIRST)
"""A Job's name: DNS-1035, because a Service may bear it, and 63 characters, because it is a label of the pods."""

job_name_prefix: Final = pattern(_DNS_1035_LABEL, 50, _LETTER_FIRST)
"""The start of a generated name, to which `-` and 12 characters are added."""

project_name: Final = pattern(
    _DNS_1123_LABEL, 63, "lower-case letters, digits and '-', beginning and ending with a letter or digit"
)
"""A project's name, which is part of a namespace (DNS-1123 label) and a label's value."""


def namespace_of(project: str, template: str) -> str:
    """Return the namespace of a project; `template` holds `{project}` where its name goes."""
    return template.replace("{project}", project)


def not_reserved(project: str, info: ValidationInfo) -> str:
    """Refuse a project whose namespace is the cluster's or the service's own."""
    limits = limits_of(info)
    namespace = namespace_of(project, limits.namespace_template)
    if _is_reserved(namespace, limits.reserved_namespaces):
        raise ValueError(f"leads to the namespace {namespace}, which is no project's (KUBE_RESERVED_NAMESPACES)")
    return project


@lru_cache(1024)
def _is_reserved(namespace: str, reserved: frozenset[str]) -> bool:
    return any(fnmatchcase(namespace, each) for each in reserved)


storage_class: Final = pattern(DNS_1123_SUBDOMAIN, 253, _SUBDOMAIN)
"""The name of a StorageClass (DNS-1123 subdomain)."""

label_value: Final = pattern(
    _LABEL_VALUE, 63, "letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
)
"""The value of a label, not empty."""


claim_name: Final = pattern(DNS_1123_SUBDOMAIN, 253, _SUBDOMAIN)
"""The name of a PersistentVolumeClaim (DNS-1123 subdomain)."""


def _environment_name(name: str) -> str:
    """The rule of all supported releases; 1.34 and later allow more (`RelaxedEnvironmentVariableValidation`)."""
    if not _ENVIRONMENT_NAME.fullmatch(name):
        raise ValueError(
            "must have a name of letters, digits, '_', '-' and '.', not beginning with a digit or '..' and not just '.'"
        )
    return name


environment_name: Final[Rule[str]] = text(
    "the name of an environment variable", _environment_name, {"pattern": f"^{_ENVIRONMENT_NAME.pattern}$"}
)
"""The name of an environment variable."""

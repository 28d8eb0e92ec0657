"""What an installation allows beyond the documented rules: bounds from the settings, and what its scheduler can do."""

from dataclasses import dataclass

from pydantic import ValidationInfo


@dataclass(frozen=True, slots=True)
class Limits:
    """The context of a validation. Each number is the setting `SUBMISSION_MAX_<NAME>`."""

    shares_gpus: bool = False
    """Whether the scheduler gives out parts of a GPU."""
    elastic_parallelism: bool = False
    """Whether the scheduler can start some of an elastic job's pods before the others."""
    entries: int = 256
    """Most entries of one array or object."""
    claims: int = 16
    ports: int = 64
    parallelism: int = 10_000
    completions: int = 10_000
    gpus: int | None = None
    """Most GPUs of one pod; None leaves it to the cluster."""
    namespace_template: str = "runai-{project}"
    """The namespace of a project, which takes the place of `{project}`."""
    reserved_namespaces: frozenset[str] = frozenset({"kube-*"})
    """Namespaces that are no project's, as names or shell patterns."""


def limits_of(info: ValidationInfo) -> Limits:
    """Return the limits that a validation was called with."""
    if not isinstance(info.context, Limits):
        raise TypeError("a JobSubmission is validated in the context of Limits")
    return info.context

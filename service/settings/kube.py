"""Kubernetes: the API server, and what the objects look like."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.manifests.labels import DEFAULT_INSTALLATION
from service.manifests.profiles import PROFILES, Profile
from service.settings.pod import own_namespace
from service.settings.types import LabelValue, Names, NamesIfSet, ObjectNameOrNone, Positive, Seconds
from service.spec.fields import Rule


def _profile(value: object) -> Profile:
    profile = value if isinstance(value, Profile) else PROFILES.get(str(value))
    if profile is None:
        raise ValueError(f"must be one of {', '.join(PROFILES)}")
    return profile


SchedulerProfile = Annotated[
    Profile, NoDecode, Rule("one of the profiles", {"type": "string", "enum": list(PROFILES)}, _profile)
]
"""A profile, written as its name."""


class KubeSettings(BaseSettings):
    """How to reach the Kubernetes API and what the created objects look like."""

    model_config = SettingsConfigDict(env_prefix="KUBE_", frozen=True)

    config_file: Path | None = Field(
        None, description="Kubeconfig file. Unset: the pod's service account in a cluster, else the usual kubeconfig."
    )
    context: str | None = Field(None, description="Context of the kubeconfig; unset: its current one.")
    namespace_template: str = Field(
        "runai-{project}", description="Namespace of a project; it must exist, the service never creates one."
    )
    projects: Names = Field(
        frozenset(),
        description="Projects in whose namespaces the service's rights are checked at start, separated by commas. No "
        "list of what is allowed: that are the rights of the service's account, and `KUBE_RESERVED_NAMESPACES`.",
    )
    reserved_namespaces: NamesIfSet = Field(
        None,
        description="Namespaces that are no project's, as names or patterns such as `kube-*`, separated by commas; "
        "empty: none. Unset: `kube-*` and the pod's own.",
    )
    scheduler_profile: SchedulerProfile = Field(
        PROFILES["kubernetes"], description="Scheduler the objects are written for (see `docs/parameters.md`)."
    )
    kueue_priority_class: str | None = Field(
        None, description="Value of the label `kueue.x-k8s.io/priority-class`, with the profile `kueue`."
    )
    pod_template: ObjectNameOrNone = Field(
        "job-submission",
        description="Name of the PodTemplate under every job: that of the project's namespace, else of the pod's own "
        "(`docs/pod-templates.md`). Empty: none is looked for.",
    )
    installation: LabelValue = Field(
        DEFAULT_INSTALLATION,
        description="Name of this installation, in the label `job-submission.io/installation` of its objects. Where a "
        "cluster has several, each needs its own: Jobs of another one are neither told nor deleted. Never change it "
        "while there are Jobs.",
    )
    ingress_class: str | None = Field(
        None, description="`ingressClassName` of Ingresses; unset: the cluster's default."
    )
    hold_below_ttl_seconds: Annotated[int, Field(ge=0)] = Field(
        3600,
        description="Jobs with a shorter `ttlAfterFinish` keep their name through a finalizer until the outcome is "
        "acknowledged: the longest time after which a submission may be delivered again.",
    )
    request_timeout_seconds: Seconds = Field(10, description="How long one request to the API server may take.")
    login_timeout_seconds: Seconds = Field(
        30, description="How long a kubeconfig's credential plugin may run before it is ended and run again."
    )
    pause_file: Path | None = Field(
        None,
        description="While there is a file of this name, submissions are accepted and wait, and no Job is made: a "
        "switch for operators that needs no restart.",
    )
    slow_seconds: Seconds = Field(
        1, description="Answers that take longer are slow: while most are, fewer requests are made at once."
    )
    max_in_flight: Positive = Field(
        64, description="Most steps of one process in progress at the API server; answers adapt it between 1 and this."
    )
    max_per_second: Annotated[float, Field(ge=0)] = Field(
        0, description="Most creates a second of one process; 0 leaves it to the API server's answers."
    )
    retry_base_seconds: Seconds = Field(0.2, description="First back-off after a temporary failure; full jitter.")
    retry_cap_seconds: Seconds = Field(20, description="Longest back-off between two tries.")

    @property
    def namespaces_of_nobody(self) -> frozenset[str]:
        """The namespaces that no project may lead to, as names or shell patterns."""
        if self.reserved_namespaces is not None:
            return self.reserved_namespaces
        own = own_namespace()
        return frozenset({"kube-*", own}) if own else frozenset({"kube-*"})

    @field_validator("namespace_template")
    @classmethod
    def _names_the_project(cls, template: str) -> str:
        if template.count("{project}") != 1 or template.replace("{project}", "").strip("{}") != template.replace(
            "{project}", ""
        ):
            msg = "must contain {project} exactly once and no other braces"
            raise ValueError(msg)
        return template

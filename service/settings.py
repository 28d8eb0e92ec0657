"""Every setting of the service, by topic, each read from one environment variable.

`KAFKA_BOOTSTRAP_SERVERS` is `settings.kafka.bootstrap_servers`, and so on: the prefix of a class joined with the name
of the field. Units are in the names. `docs/settings.md` is generated from this file (`job-submission settings`).
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.manifests.profiles import Profile

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


def _split(value: object) -> object:
    return filter(None, map(str.strip, value.split(","))) if isinstance(value, str) else value


Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]
"""A set of names, written with commas."""


class KafkaSettings(BaseSettings):
    """How to reach the brokers. File settings name mounted files, so that secrets stay out of the environment."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True)

    bootstrap_servers: str = Field("localhost:9092", description="Brokers to ask first, `host:port,host:port`.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to log in, with a `SASL_` protocol."
    )
    sasl_username: str | None = Field(None, description="User, with a `SASL_` protocol.")
    sasl_password: SecretStr | None = Field(None, description="Password, with a `SASL_` protocol.")
    ssl_ca_file: FilePath | None = Field(
        None, description="PEM file of the authority that signed the brokers' certificates."
    )
    ssl_cert_file: FilePath | None = Field(None, description="PEM file of the client certificate, for mutual TLS.")
    ssl_key_file: FilePath | None = Field(None, description="PEM file of the client certificate's key.")
    client_id: str = Field("job-submission", description="Name shown in the brokers' logs and quotas.")
    request_timeout_seconds: Seconds = Field(
        15, description="How long one request to a broker, or the delivery of one record, may take."
    )
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="How long a record waits for company in its batch, besides for the request before it."
    )

    @field_validator("sasl_username", "sasl_password")
    @classmethod
    def _given_for_a_login(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("security_protocol", "")
        if protocol.startswith("SASL") and not (value and len(value)):
            msg = f"is needed for the protocol {protocol}"
            raise ValueError(msg)
        return value

    @field_validator("ssl_key_file")
    @classmethod
    def _with_its_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if key and not info.data.get("ssl_cert_file"):
            msg = "needs KAFKA_SSL_CERT_FILE beside it"
            raise ValueError(msg)
        return key


class TopicSettings(BaseSettings):
    """The three topics. All times of the duplicate window hang on `duplicate_window_seconds`."""

    model_config = SettingsConfigDict(env_prefix="TOPICS_", frozen=True)

    submissions: str = Field("job-submissions", description="Topic of the submissions.")
    outcomes: str = Field("job-outcomes", description="Topic of the outcomes, compacted; same partition count.")
    dead_letters: str = Field("job-submissions-dead-letters", description="Topic of records that cannot be handled.")
    create: bool = Field(
        default=True, description="Create missing topics on start. Existing ones are checked, never altered."
    )
    partitions: Positive = Field(
        6, description="Partitions of topics created on start; bounds the number of consumers."
    )
    replication_factor: Annotated[int, Field(ge=-1)] = Field(
        -1, description="Replicas of topics created on start; -1 leaves it to the broker's default."
    )
    duplicate_window_seconds: Positive = Field(
        7 * 24 * 3600, description="How long a submission is remembered; older unhandled ones are refused, not run."
    )
    reply_allowed: Names = Field(
        frozenset(), description="Further topics a record's `reply-topic` header may name, separated by commas."
    )


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
        description="Projects in whose namespaces the service's rights are checked at start, separated by commas.",
    )
    scheduler_profile: Profile = Field("kubernetes", description="Scheduler the objects are written for.")
    kueue_priority_class: str | None = Field(
        None, description="Value of the label `kueue.x-k8s.io/priority-class`, with the profile `kueue`."
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

    @field_validator("namespace_template")
    @classmethod
    def _names_the_project(cls, template: str) -> str:
        if template.count("{project}") != 1 or template.replace("{project}", "").strip("{}") != template.replace(
            "{project}", ""
        ):
            msg = "must contain {project} exactly once and no other braces"
            raise ValueError(msg)
        return template


class HttpSettings(BaseSettings):
    """The ingress."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True)

    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - a container's port must be reachable
    port: Port = Field(8080, description="Port to listen on; 0 takes a free one.")
    max_body_bytes: Positive = Field(
        64 * 1024, description="Largest request body, over HTTP and on the topic alike; above it: 413."
    )
    wait_seconds: Seconds = Field(30, description="How long a POST waits for its outcome before it is answered 202.")
    max_wait_seconds: Seconds = Field(120, description="Largest `Prefer: wait=N` that is honoured.")
    max_in_flight: Positive = Field(2000, description="POSTs in progress at once; above it the answer is 429.")
    tokens_file: Path | None = Field(
        None,
        description="File of bearer tokens (see `docs/security.md`). Unset: the header `RA-USER` is believed as it is.",
    )
    read_timeout_seconds: Seconds = Field(15, description="How long a client may take to send its request.")
    drain_seconds: Seconds = Field(20, description="How long a shutdown waits for requests in progress.")


class ConsumerSettings(BaseSettings):
    """The consumer."""

    model_config = SettingsConfigDict(env_prefix="CONSUMER_", frozen=True)

    group: str = Field("job-submission", description="Consumer group.")
    instance_id: str | None = Field(
        None, description="`group.instance.id` (static membership): a restart within the session keeps the partitions."
    )
    concurrency: Positive = Field(
        128,
        description="Submissions in progress at once, over all partitions: twice `KUBE_MAX_IN_FLIGHT`, so that "
        "Kubernetes never waits for Kafka.",
    )
    queue_per_partition: Positive = Field(
        256, description="Records of one partition fetched ahead; above it the partition pauses."
    )
    commit_interval_seconds: Seconds = Field(1, description="How often finished offsets are committed.")
    session_timeout_seconds: Seconds = Field(
        30, description="After this long without a heartbeat the group gives the partitions to others."
    )
    submission_deadline_seconds: Annotated[float, Field(ge=0)] = Field(
        0, description="Give up on temporary failures of one submission after this long; 0 never gives up."
    )
    probe_interval_seconds: Seconds = Field(0.5, description="How often an unreachable API server is asked again.")
    max_attempts: Positive = Field(
        3, description="Tries at a record whose handling crashes, before it is a dead letter."
    )
    dead_letter_limit_percent: Annotated[float, Field(gt=0, le=100)] = Field(
        50, description="Stop when more than this share of the last 100 records would become dead letters."
    )
    drain_seconds: Seconds = Field(20, description="How long a shutdown waits for submissions in progress.")


class ProbeSettings(BaseSettings):
    """The port of `/metrics`, `/healthz` and `/readyz`."""

    model_config = SettingsConfigDict(env_prefix="METRICS_", frozen=True)

    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - scraped from other pods
    port: Port = Field(9090, description="Port to listen on; 0 takes a free one.")


class LogSettings(BaseSettings):
    """The log, one line an event, on standard error."""

    model_config = SettingsConfigDict(env_prefix="LOG_", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level to write.")
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` on a terminal, else JSON."
    )


@dataclass(frozen=True)
class Settings:
    """All settings, by topic."""

    kafka: KafkaSettings
    topics: TopicSettings
    kube: KubeSettings
    http: HttpSettings
    consumer: ConsumerSettings
    probes: ProbeSettings
    log: LogSettings


class FaultySettings(Exception):
    """Settings that break their rules; `faults` has one sentence for each, with the variable's name."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def groups() -> dict[str, type[BaseSettings]]:
    """Return the classes of settings by their place in `Settings`."""
    return {field.name: field.type for field in fields(Settings) if isinstance(field.type, type)}


def read_settings() -> Settings:
    """Read all settings from the environment; raises FaultySettings with every fault at once."""
    read: dict[str, Any] = {}
    faults = []
    for name, group in groups().items():
        try:
            read[name] = group()
        except ValidationError as error:
            prefix = group.model_config.get("env_prefix", "")
            faults += [
                f"{prefix}{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors()
            ]
    if faults:
        raise FaultySettings(faults)
    return Settings(**read)

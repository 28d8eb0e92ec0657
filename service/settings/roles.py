"""The roles: what a submission may ask for, the ingress, the consumer."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings.types import Name, Names, Port, Positive, Rate, Seconds
from service.spec.limits import Limits

_UNSET: Final = Limits()


class SubmissionSettings(BaseSettings):
    """What one submission may ask for at most, whoever sends it; the cluster's quotas and policies count besides."""

    model_config = SettingsConfigDict(env_prefix="SUBMISSION_", frozen=True, populate_by_name=True)

    max_body_bytes: Positive = Field(
        64 * 1024,
        validation_alias="HTTP_MAX_BODY_BYTES",  # its public name, from when it was the ingress's alone
        description="Largest request body, over HTTP and on the topic alike; above it: 413.",
    )
    max_entries: Positive = Field(
        _UNSET.entries, description="Most entries of one array or object, such as `environment` or `arguments`."
    )
    max_claims: Positive = Field(_UNSET.claims, description="Most entries of `pvc`.")
    max_ports: Positive = Field(_UNSET.ports, description="Most entries of `ports`.")
    max_parallelism: Positive = Field(_UNSET.parallelism, description="Largest `parallelism`.")
    max_completions: Positive = Field(_UNSET.completions, description="Largest `completions`.")
    max_gpus: Positive | None = Field(None, description="Largest `gpu` of a pod; unset: what the cluster has.")
    signatures: Literal["off", "required"] = Field(
        "off",
        description="Whether a record is carried out only with a signature by one of the keys of "
        "`SUBMISSION_KEYS_FILE` (see `docs/signatures.md`). `off` believes whoever may write to the topic.",
    )
    keys_file: Path | None = Field(
        None,
        description="File of the keys that producers sign with, and for whom each may speak, with the signatures "
        "`required`. The consumer reads it anew when it changes.",
    )
    signing_key_file: Path | None = Field(
        None,
        description="File of the key (a JWK) that this service signs with: the ingress whatever it writes, the "
        "consumer cancels that it passes on. Read anew when it changes; unset: nothing is signed.",
    )
    keys_grace_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        60,
        description="How long the last good keys count while one of these files cannot be read; then records wait, "
        "requests are refused (503), and the process is not ready.",
    )


class HttpSettings(BaseSettings):
    """The ingress."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True)

    host: str = Field(
        "::", min_length=1, description="Address to listen on; `::` takes IPv4 and IPv6, `0.0.0.0` IPv4 alone."
    )
    port: Port = Field(8080, description="Port to listen on; 0 takes a free one.")
    wait_seconds: Seconds = Field(30, description="How long a POST waits for its outcome before it is answered 202.")
    max_wait_seconds: Seconds = Field(120, description="Largest `Prefer: wait=N` that is honoured.")
    max_header_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = Field(
        16 * 1024, description="Largest request line and headers together; above it: 431."
    )
    max_in_flight: Positive = Field(
        2000,
        description="Requests in progress at once; above it the answer is 429, and sooner for a user or a project that "
        "would hold more places than are left free.",
    )
    user_requests_per_second: Rate = Field(
        0,
        description="Most requests of one user in a second, on one process; above it the answer is 429 with the time "
        "after which to come again. 0 sets no bound.",
    )
    project_submissions_per_second: Rate = Field(
        0, description="Most POSTs for one project in a second, on one process, likewise. 0 sets no bound."
    )
    max_partial_bodies: Positive = Field(
        256,
        description="Request bodies on their way at once; one more costs the user with the most of them the oldest.",
    )
    max_connections: Positive = Field(
        4096,
        description="Open connections, as far as the limit of open files goes; one more closes the one that has been "
        "idle for longest.",
    )
    refusals_logged_per_second: Annotated[int, Field(ge=0)] = Field(
        10, description="Refused requests that get a line of the log, in a second and for each reason."
    )
    max_event_streams: Positive = Field(
        200,
        description="Connections that follow the events of jobs at once; above it the answer is 429, and sooner for a "
        "user who would hold more than are left free.",
    )
    events_remembered: Positive = Field(
        10_000,
        description="Events of jobs kept in memory, so that a reader that was cut off can go on where it was; 1.5 kB "
        "each.",
    )
    read_timeout_seconds: Seconds = Field(15, description="How long a client may take to send its request.")
    drain_seconds: Seconds = Field(20, description="How long a shutdown waits for requests in progress.")


class ConsumerSettings(BaseSettings):
    """The consumer."""

    model_config = SettingsConfigDict(env_prefix="CONSUMER_", frozen=True)

    group: Name = Field("job-submission", description="Consumer group.")
    instance_id: str | None = Field(
        None,
        description="Static membership: a restart within the session keeps the partitions. `group.instance.id` is this "
        "and some digits that stand for cluster, namespace and installation.",
    )
    concurrency: Positive = Field(
        128,
        description="Submissions in progress at once, over all partitions: twice `KUBE_MAX_IN_FLIGHT`, so that "
        "Kubernetes never waits for Kafka.",
    )
    queue_per_partition: Positive = Field(
        20_000, description="Records of one partition fetched ahead; above it the partition pauses."
    )
    read_ahead_bytes: Positive = Field(
        128 * 1024 * 1024,
        description="Memory for records fetched and not finished, shared by the partitions: one that has used its "
        "share pauses. Projects take turns within what is fetched.",
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


class JobLogsSettings(BaseSettings):
    """The logs of jobs, which the watcher reads and the ingress passes on; a process that is both needs no setting."""

    model_config = SettingsConfigDict(env_prefix="JOB_LOGS_", frozen=True)

    url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="Where the ingress asks the watcher for logs, such as `http://watcher:8081`; unset: it serves "
        "none, unless it is the watcher itself.",
    )
    token_file: Path | None = Field(
        None,
        description="File of the secret that ingress and watcher share for logs, at least 16 characters; unset: the "
        "watcher does not listen. Read anew for each request.",
    )
    host: str = Field(
        "::", min_length=1, description="Address on which the watcher listens for the ingress; `0.0.0.0`: IPv4 alone."
    )
    port: Port = Field(8081, description="Port on which the watcher listens for the ingress; 0 takes a free one.")
    max_streams: Positive = Field(200, description="Logs being read at once by one process; above it: 429.")


class WatcherSettings(BaseSettings):
    """The watcher, which turns what happens to the Jobs in the cluster into events."""

    model_config = SettingsConfigDict(env_prefix="WATCHER_", frozen=True)

    group: str = Field("job-submission-watcher", description="Consumer group of the watchers of one cluster.")
    instance_id: str | None = Field(
        None,
        description="Static membership: a restart within the session keeps the partitions. `group.instance.id` is this "
        "and some digits that stand for cluster, namespace and installation.",
    )
    session_timeout_seconds: Seconds = Field(
        10, description="After this long without a heartbeat the group gives the partitions to others."
    )
    cluster_name: str = Field("default", description="Name of the cluster in the events' `ce_source`.")
    namespaces: Names = Field(
        frozenset(),
        description="Namespaces that are watched, separated by commas; unset: all, which takes a ClusterRole.",
    )
    concurrency: Positive = Field(32, description="Jobs whose events are being written at once.")
    min_interval_seconds: Annotated[float, Field(ge=0)] = Field(
        0.3, description="Least time between two events of one job: what changes in between is one event."
    )
    history_seconds: Positive = Field(
        30 * 24 * 3600, description="How long the last state of a deleted job stays on the topic."
    )

"""The only door to Prometheus: every metric by name, with its unit and its closed set of labels.

No label ever holds a user, a project or a job, so the number of series does not grow with tenants. Names follow
https://prometheus.io/docs/practices/naming/. Labelled children are bound once here or by their user, never per job.
"""

import math
import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service import __version__

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

disable_created_metrics()  # type: ignore[no-untyped-call] # untyped there; they double the series and nobody reads them

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All metrics on a registry of their own, so that several can live in one process and in tests."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        name = "job_submission"
        self.received = Counter(
            f"{name}_received",
            "Submissions and cancels received, by the door: an HTTP request or a record.",
            ["via"],
            registry=registry,
        )
        self.http_responses = Counter(
            f"{name}_http_responses", "Responses to POSTs, by status code.", ["code"], registry=registry
        )
        self.http_requests = Counter(
            f"{name}_http_requests",
            "Requests answered, by method, route (`none`: no route, or no HTTP) and status code.",
            ["method", "route", "code"],
            registry=registry,
        )
        self.http_connections = Gauge(
            f"{name}_http_connections", "Open connections, by port (api, probes).", ["port"], registry=registry
        )
        self.http_connections_dropped = Counter(
            f"{name}_http_connections_dropped",
            "Connections dropped: one too many (`full`), or an answer that the client does not read (`unread`).",
            ["port", "reason"],
            registry=registry,
        )
        self.tokens_unreadable = Gauge(
            f"{name}_tokens_unreadable", "1 while the tokens file cannot be read; 0 without one.", registry=registry
        )
        self.signing_keys_unreadable = Gauge(
            f"{name}_signing_keys_unreadable",
            "1 while a file of keys for signatures cannot be read, the producers' or this service's own.",
            ["file"],
            registry=registry,
        )
        self.signatures = Counter(
            f"{name}_signatures",
            "Records whose signature was looked at: `good`, or the reason of the refusal.",
            ["verdict"],
            registry=registry,
        )
        self.oidc_issuer_up = Gauge(
            f"{name}_oidc_issuer_up",
            "1 while the OIDC issuer gives its keys, 0 while the last ones are used; NaN without an issuer.",
            registry=registry,
        )
        self.oidc_issuer_up.set(math.nan)
        self.outcomes = Counter(
            f"{name}_outcomes",
            "Outcomes acknowledged by Kafka, by status class (2xx, 4xx, 5xx).",
            ["status"],
            registry=registry,
        )
        self.outcome_seconds = Histogram(
            f"{name}_outcome_seconds",
            "Seconds from the record's timestamp to its acknowledged outcome.",
            buckets=SECONDS,
            registry=registry,
        )
        self.http_seconds = Histogram(
            f"{name}_http_seconds", "Seconds from a POST to its response.", buckets=SECONDS, registry=registry
        )
        self.duplicates = Counter(
            f"{name}_duplicates", "Submissions that were answered from what was done before.", registry=registry
        )
        self.kube_requests = Counter(
            f"{name}_kubernetes_requests",
            "Requests to the Kubernetes API, by verb and status code (`error` without an answer).",
            ["verb", "code"],
            registry=registry,
        )
        self.kube_seconds = Histogram(
            f"{name}_kubernetes_request_seconds",
            "Seconds of requests to the Kubernetes API, by verb.",
            ["verb"],
            buckets=SECONDS,
            registry=registry,
        )
        self.retries = Counter(
            f"{name}_retries", "Tries repeated after a temporary failure, by reason.", ["reason"], registry=registry
        )
        self.in_flight = Gauge(f"{name}_in_flight", "Submissions in progress, by role.", ["role"], registry=registry)
        self.lag = Gauge(
            f"{name}_consumer_lag_records",
            "Records that wait, those in open transactions included, by partition; no series while it is not known.",
            ["partition"],
            registry=registry,
        )
        self.oldest_uncommitted = Gauge(
            f"{name}_oldest_uncommitted_timestamp_seconds",
            "Time of the oldest record in progress, in seconds since the epoch; 0 when there is none, NaN while the "
            "group does not confirm this consumer.",
            registry=registry,
        )
        self.dead_letters = Counter(
            f"{name}_dead_letters", "Records put into the dead letter topic.", registry=registry
        )
        self.kafka_up = Gauge(
            f"{name}_kafka_up",
            "1 while the leaders of all partitions of the submissions answer and no topic is missing, else 0.",
            registry=registry,
        )
        self.unread_partitions = Gauge(
            f"{name}_unread_partitions",
            "Partitions of the submissions that no member of the consumer group reads; NaN while it is not known.",
            registry=registry,
        )
        self.unread_partitions.set(math.nan)
        self.foreign_members = Gauge(
            f"{name}_foreign_group_members",
            "Members of the consumer group that are no consumers of this service; NaN while it is not known.",
            registry=registry,
        )
        self.foreign_members.set(math.nan)
        self.foreign_commits = Counter(
            f"{name}_foreign_commits",
            "Partitions that were taken over at an offset which somebody else has committed.",
            registry=registry,
        )
        self.kube_up = Gauge(
            f"{name}_kubernetes_up", "1 while the Kubernetes API answers, 0 in an outage.", registry=registry
        )
        self.kube_up.set(math.nan)  # an ingress does not know
        self.kube_outage = Gauge(
            f"{name}_kubernetes_outage",
            "1 for the reason of an outage of the Kubernetes API while it lasts; no series at other times.",
            ["reason"],
            registry=registry,
        )
        self.kube_paused = Gauge(
            f"{name}_kubernetes_paused",
            "1 while the file `KUBE_PAUSE_FILE` is there and no Job is made.",
            registry=registry,
        )
        self.kube_limit = Gauge(
            f"{name}_kubernetes_in_flight_limit",
            "Steps that may be in progress at the Kubernetes API at once; falls while it is slow or refuses (429).",
            registry=registry,
        )
        self.consumer_stopped = Gauge(
            f"{name}_consumer_stopped", "1 when the dead letter limiter has stopped the consumer.", registry=registry
        )
        self.remembered = Gauge(
            f"{name}_remembered_submissions", "Submissions in the duplicate window of this process.", registry=registry
        )
        self.open_files_left = Gauge(
            f"{name}_open_files_left", "File descriptors that the process may still open.", registry=registry
        )
        self.clock_skew = Gauge(
            f"{name}_clock_skew_seconds",
            "Seconds by which the clock of this process is ahead of the broker's that answered last; NaN before that.",
            registry=registry,
        )
        self.clock_skew.set(math.nan)
        self.watched_jobs = Gauge(
            f"{name}_watched_jobs", "Jobs of this service that the watcher sees in the cluster.", registry=registry
        )
        self.watch_up = Gauge(
            f"{name}_watch_up",
            "1 while changes of a resource come in from the API server, 0 while they do not.",
            ["resource"],
            registry=registry,
        )
        self.waiting_jobs = Gauge(
            f"{name}_waiting_jobs",
            "Jobs that wait, by reason (`docs/waiting.md`), of the partitions of this watcher.",
            ["reason"],
            registry=registry,
        )
        self.job_events = Counter(f"{name}_job_events", "Events of jobs written to the topic.", registry=registry)
        self.known_jobs = Gauge(
            f"{name}_known_jobs",
            "Jobs that this ingress has in memory.",
            registry=registry,
        )
        self.event_streams = Gauge(
            f"{name}_event_streams", "Connections that follow the events of jobs.", registry=registry
        )
        self.rebuilds = Counter(
            f"{name}_kafka_client_rebuilds",
            "Kafka clients replaced after a fatal error or a silent fetch.",
            ["client"],
            registry=registry,
        )
        build = Gauge(
            f"{name}_build_info", "Always 1; the labels tell what runs.", ["version", "python"], registry=registry
        )
        build.labels(version=__version__, python=platform.python_version()).set(1)

    def show_outage(self, reason: str | None) -> None:
        """Show the reason of an outage of Kubernetes, or that there is none."""
        self.kube_up.set(reason is None)
        self.kube_outage.clear()
        if reason is not None:
            self.kube_outage.labels(reason=reason).set(1)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

"""Makes the topics where they are missing (three, with a watcher four), and says what is wrong with those there are.

What the service promises depends on the topics: the duplicate window on the retention and compaction of the outcomes,
the meeting of duplicates on equal partition counts, the age of a submission on the brokers' own time stamps.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    NoError,
    TopicAlreadyExistsError,
    for_code,
)

from service.broker.connection import client_arguments, until_connected
from service.broker.errors import BrokerUnavailable
from service.settings import KafkaSettings, TopicSettings
from service.telemetry.logs import log

DAY_MS: Final = 24 * 3600 * 1000
DEAD_LETTER_RETENTION_MS: Final = 30 * DAY_MS
UNCOMPRESSED: Final = "uncompressed"
DEAD_LETTER_BYTES: Final = 2 * 1024 * 1024
"""A dead letter is its record and some headers: one that just fitted into the submissions has to fit here."""
VISIBLE_TRIES: Final = 50
VISIBLE_SECONDS: Final = 0.1

Severity = Literal["fault", "advice"]


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong with a topic: a `fault` breaks a promise of the service, an `advice` weakens it."""

    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it was found: its configuration is None where it may not be read."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str] | None


class Topics:
    """The topics of this service: those of submissions and, where `job_events` says so, that of the jobs' events.

    `names` are theirs.
    """

    def __init__(self, kafka: KafkaSettings, topics: TopicSettings, *, job_events: bool = False) -> None:
        self._kafka = kafka
        self._settings = topics
        self.names: tuple[str, ...] = (topics.submissions, topics.outcomes, topics.dead_letters)
        if job_events:
            self.names += (topics.job_events,)

    async def check(self) -> bool:
        """Create what is missing, log every complaint, and tell whether the promises of the service can be kept."""
        complaints = await self.ensure()
        for complaint in complaints:
            tell_log = log.error if complaint.severity == "fault" else log.info
            tell_log("topic-complaint", severity=complaint.severity, complaint=complaint.text)
        return all(complaint.severity != "fault" for complaint in complaints)

    async def ensure(self) -> list[Complaint]:
        """Create what is missing, if that is allowed, and return every complaint about what is there.

        Waits for Kafka for as long as it takes. Several processes may do this at once. Existing topics are never
        altered.
        """
        return await until_connected(self._ensure, "topics")

    async def _ensure(self) -> list[Complaint]:
        admin = AIOKafkaAdminClient(**client_arguments(self._kafka))
        try:
            async with asyncio.timeout(4 * self._kafka.request_timeout_seconds):
                await admin.start()
                found = await self._describe(admin)
                missing = [name for name in self.names if name not in found]
                complaints = await self._create(admin, missing, found) if missing and self._settings.create else []
                for _ in range(VISIBLE_TRIES):
                    if found.keys() >= set(missing) or complaints or not self._settings.create:
                        break
                    await asyncio.sleep(VISIBLE_SECONDS)
                    found = await self._describe(admin)
        finally:
            await admin.close()
        if not complaints:
            why = (
                "was created and cannot be seen: Kafka's ACLs do not let this user describe it"
                if self._settings.create
                else "is missing, or this user may not describe it, and creating topics is switched off"
            )
            complaints = [Complaint("fault", f"topic {name} {why}") for name in self.names if name not in found]
        return complaints + complaints_about(self._settings, found)

    async def _describe(self, admin: AIOKafkaAdminClient) -> dict[str, Topic]:
        found = {}
        for topic in await admin.describe_topics():  # of all: asking for a missing one by name can create it
            if topic["topic"] in self.names:
                found[topic["topic"]] = topic["partitions"]
        configs = await self._configs(admin, list(found))
        return {
            name: Topic(name, len(partitions), min(len(p["replicas"]) for p in partitions), configs.get(name))
            for name, partitions in found.items()
        }

    @staticmethod
    async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        return {
            name: {key: value for key, value, *_ in entries}
            for response in await admin.describe_configs(resources)
            for error, _, _, name, entries in response.resources
            if not error
        }

    async def _create(
        self, admin: AIOKafkaAdminClient, missing: list[str], found: Mapping[str, Topic]
    ) -> list[Complaint]:
        configs = wanted_configs(self._settings)
        # outcomes stand in the partition of their submission, so topics made later follow those that are there
        partitions = max((topic.partitions for topic in found.values()), default=self._settings.partitions)
        factor = self._settings.replication_factor
        topics = [
            # aiokafka takes -1, the broker's default, only beside an (empty) list of replicas
            NewTopic(name, partitions, factor, {} if factor == -1 else None, topic_configs=configs[name])
            for name in missing
        ]
        complaints = []
        response = await admin.create_topics(topics)
        for name, code, message in response.topic_errors:
            error = for_code(code)
            if error is NoError:
                log.info("topic-created", topic=name, partitions=partitions)
            elif error is not TopicAlreadyExistsError:
                if getattr(error, "retriable", False):
                    raise BrokerUnavailable(message or error.__name__)
                complaints.append(
                    Complaint("fault", f"topic {name} is missing and could not be created: {message or error.__name__}")
                )
        return complaints


async def is_there(kafka: KafkaSettings, topic: str) -> bool:
    """Tell whether a topic is there, and may be described, without a request that could make the brokers create it.

    Raises KafkaError, BrokerUnavailable.
    """
    admin = AIOKafkaAdminClient(**client_arguments(kafka))
    try:
        async with asyncio.timeout(2 * kafka.request_timeout_seconds):
            await admin.start()
            return topic in await admin.list_topics()
    finally:
        await admin.close()


def wanted_configs(settings: TopicSettings) -> dict[str, dict[str, str]]:
    """Return the configuration of each topic as the service creates it."""
    window = settings.duplicate_window_seconds * 1000 + DAY_MS
    time = {"message.timestamp.type": "LogAppendTime"}
    return {
        settings.submissions: time
        | {
            "cleanup.policy": "delete",
            "retention.ms": str(window),
            "compression.type": UNCOMPRESSED,  # max.message.bytes is then a limit of what a reader has to unpack
        },
        settings.outcomes: time
        | {
            "cleanup.policy": "compact,delete",
            "retention.ms": str(window),
            "segment.ms": str(DAY_MS),  # only whole segments are deleted, and what is kept is remembered
        },
        settings.dead_letters: time
        | {
            "cleanup.policy": "delete",
            "retention.ms": str(DEAD_LETTER_RETENTION_MS),
            "max.message.bytes": str(DEAD_LETTER_BYTES),
        },
        settings.job_events: time
        | {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(settings.job_events_readable_seconds * 1000),
            "delete.retention.ms": str(settings.job_events_readable_seconds * 1000),
        },
    }


def complaints_about(settings: TopicSettings, found: Mapping[str, Topic]) -> list[Complaint]:
    """Return what is wrong with the topics that exist, each with the command that mends it."""
    complaints = []
    for topic in found.values():
        complaints += _configuration(settings, topic)
    alone = ", ".join(sorted(topic.name for topic in found.values() if topic.replicas < 2))
    if alone:
        complaints.append(
            Complaint("advice", f"without replicas: {alone}; a lost disk loses records, so move them to 3 replicas")
        )
    submissions, outcomes = found.get(settings.submissions), found.get(settings.outcomes)
    if submissions and outcomes and submissions.partitions > outcomes.partitions:
        text = (
            f"topic {outcomes.name} has {outcomes.partitions} partitions, fewer than the {submissions.partitions} of "
            f"{submissions.name}: outcomes of the others cannot be written; kafka-topics.sh --alter --topic "
            f"{outcomes.name} --partitions {submissions.partitions}"
        )
        complaints.append(Complaint("fault", text))
    return complaints


def _configuration(settings: TopicSettings, topic: Topic) -> list[Complaint]:
    config = topic.config
    if config is None:
        return [Complaint("advice", f"the configuration of topic {topic.name} may not be read, so it was not checked")]
    complaints = []
    window_ms = settings.duplicate_window_seconds * 1000

    def wrong(severity: Severity, what: str, entry: str) -> None:
        fix = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name} --add-config {entry}"
        complaints.append(Complaint(severity, f"topic {topic.name} {what}: {fix}"))

    policies = set(config.get("cleanup.policy", "").replace(" ", "").split(","))
    retention = int(config.get("retention.ms", "-1"))
    if topic.name == settings.outcomes and "compact" not in policies:
        wrong("fault", "is not compacted", "cleanup.policy=[compact,delete]")
    if topic.name == settings.job_events and policies != {"compact"}:
        wrong("fault", "is not compacted, or deletes what jobs have come to", "cleanup.policy=compact")
    if topic.name == settings.submissions and "compact" in policies:
        wrong("fault", "is compacted, which removes submissions that share a key", "cleanup.policy=delete")
    if topic.name != settings.dead_letters and "delete" in policies and 0 <= retention < window_ms:
        what = f"keeps records for {retention} ms, less than the duplicate window of {window_ms} ms"
        wrong("fault", what, f"retention.ms={window_ms + DAY_MS}")
    if topic.name != settings.dead_letters and config.get("message.timestamp.type") != "LogAppendTime":
        what = "takes the producers' word for the age of records"
        wrong("fault", what, "message.timestamp.type=LogAppendTime")
    if topic.name == settings.submissions and config.get("compression.type") != UNCOMPRESSED:
        what = "takes batches as their producers compressed them, and a small one may unpack to gigabytes"
        wrong("advice", what, f"compression.type={UNCOMPRESSED}")
    if topic.replicas > 1 and int(config.get("min.insync.replicas", "1")) < 2:
        wrong("advice", "acknowledges records that stand on one broker only", "min.insync.replicas=2")
    return complaints

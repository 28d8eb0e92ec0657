"""All settings, read from the environment together, with every fault at once."""

from dataclasses import dataclass, fields
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from service.settings.access import AccessSettings
from service.settings.kafka import KafkaSettings, TopicSettings
from service.settings.kube import KubeSettings
from service.settings.process import LogSettings, ProbeSettings, TracingSettings
from service.settings.roles import ConsumerSettings, HttpSettings, JobLogsSettings, SubmissionSettings, WatcherSettings
from service.spec.limits import Limits


@dataclass(frozen=True)
class Settings:
    """All settings, by topic."""

    kafka: KafkaSettings
    topics: TopicSettings
    kube: KubeSettings
    submission: SubmissionSettings
    http: HttpSettings
    access: AccessSettings
    consumer: ConsumerSettings
    watcher: WatcherSettings
    job_logs: JobLogsSettings
    probes: ProbeSettings
    log: LogSettings
    tracing: TracingSettings

    @property
    def limits(self) -> Limits:
        """What a submission is validated against."""
        profile, most = self.kube.scheduler_profile, self.submission
        return Limits(
            shares_gpus=profile.shares_gpus,
            elastic_parallelism=profile.elastic_parallelism,
            entries=most.max_entries,
            claims=most.max_claims,
            ports=most.max_ports,
            parallelism=most.max_parallelism,
            completions=most.max_completions,
            gpus=most.max_gpus,
            namespace_template=self.kube.namespace_template,
            reserved_namespaces=self.kube.namespaces_of_nobody,
        )


class FaultySettings(Exception):
    """Settings that break their rules; `faults` has one sentence for each, with the variable's name."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def groups() -> dict[str, type[BaseSettings]]:
    """Return the classes of settings by their place in `Settings`."""
    return {field.name: field.type for field in fields(Settings) if isinstance(field.type, type)}


def variable(group: type[BaseSettings], field: str) -> str:
    """Return the environment variable of a setting."""
    alias = group.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{group.model_config.get('env_prefix', '')}{field}".upper()


def read_settings() -> Settings:
    """Read all settings from the environment; raises FaultySettings with every fault at once."""
    read: dict[str, Any] = {}
    faults = []
    for name, group in groups().items():
        try:
            read[name] = group()
        except ValidationError as error:
            faults += [
                f"{_named(group, *fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors()
            ]
    if faults:
        raise FaultySettings(faults)
    return Settings(**read)


def _named(group: type[BaseSettings], field: int | str, *within: int | str) -> str:
    """Return the variable of a fault; pydantic names a field with an alias by that."""
    name = variable(group, str(field)) if field in group.model_fields else str(field)
    return "_".join([name, *map(str, within)])

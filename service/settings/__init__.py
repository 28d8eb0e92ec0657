"""Every setting of the service, by topic, each read from one environment variable.

`KAFKA_BOOTSTRAP_SERVERS` is `Settings.kafka.bootstrap_servers`, and so on: the prefix of a class joined with the name
of the field. Units are in the names. `docs/settings.md` is generated from this package (`job-submission settings`). To
add a setting, add a field with its description to the class of its topic.
"""

from service.settings.access import AccessSettings
from service.settings.kafka import KafkaSettings, TopicSettings
from service.settings.kube import KubeSettings
from service.settings.process import LogSettings, ProbeSettings, TracingSettings
from service.settings.roles import ConsumerSettings, HttpSettings, JobLogsSettings, SubmissionSettings, WatcherSettings
from service.settings.whole import FaultySettings, Settings, read_settings

__all__ = [
    "AccessSettings",
    "ConsumerSettings",
    "FaultySettings",
    "HttpSettings",
    "JobLogsSettings",
    "KafkaSettings",
    "KubeSettings",
    "LogSettings",
    "ProbeSettings",
    "Settings",
    "SubmissionSettings",
    "TopicSettings",
    "TracingSettings",
    "WatcherSettings",
    "read_settings",
]

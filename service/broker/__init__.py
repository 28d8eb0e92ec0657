"""The only door to Kafka: everything that imports aiokafka is in here.

`Topics` makes and checks the topics, `Producer` writes, `SubmissionSource` reads submissions as a member of the
consumer group, `OutcomeLog` reads outcomes, `DeadLetterLog` what was set aside; `JobEventLog` is for who writes what
became of the jobs, `TopicFollower` for who reads it; `KafkaMonitor` tells whether Kafka answers. All of them outlive
outages and replace their clients by themselves.
"""

from service.broker.dead_letter_log import DeadLetterLog
from service.broker.errors import BrokerUnavailable, RecordTooLarge
from service.broker.job_event_log import JobEventLog
from service.broker.monitor import KafkaMonitor
from service.broker.outcome_log import OutcomeLog
from service.broker.producer import Position, Producer
from service.broker.source import SubmissionSource
from service.broker.topic_follower import TopicFollower
from service.broker.topics import Complaint, Topics

__all__ = [
    "BrokerUnavailable",
    "Complaint",
    "DeadLetterLog",
    "JobEventLog",
    "KafkaMonitor",
    "OutcomeLog",
    "Position",
    "Producer",
    "RecordTooLarge",
    "SubmissionSource",
    "TopicFollower",
    "Topics",
]

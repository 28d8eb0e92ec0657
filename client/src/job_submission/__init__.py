"""The client of a job submission service.

`Client` and `AsyncClient` speak its HTTP API, `KafkaSubmitter` produces to its topic (`pip install
job-submission-client[kafka]`). What they have in common is loaded when it is first asked for, so that the command line
starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from job_submission._async.client import AsyncClient
    from job_submission._async.job import AsyncJob
    from job_submission._sync.client import Client
    from job_submission._sync.job import Job
    from job_submission.errors import Fault, JobSubmissionError, Refused, ServiceUnreachable, TimedOut
    from job_submission.kafka import KafkaSubmitter
    from job_submission.states import DryRun, Event, JobState

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "_async.client",
    "AsyncJob": "_async.job",
    "Client": "_sync.client",
    "DryRun": "states",
    "Event": "states",
    "Fault": "errors",
    "Job": "_sync.job",
    "JobState": "states",
    "JobSubmissionError": "errors",
    "KafkaSubmitter": "kafka",
    "Refused": "errors",
    "ServiceUnreachable": "errors",
    "TimedOut": "errors",
}

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "DryRun",
    "Event",
    "Fault",
    "Job",
    "JobState",
    "JobSubmissionError",
    "KafkaSubmitter",
    "Refused",
    "ServiceUnreachable",
    "TimedOut",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

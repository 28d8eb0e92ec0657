"""The only door to the Kubernetes API.

`login` gets the address and the credentials from the official client's configuration, `api` asks, `answers` reads what
came back, `guarded` looks once more before a write, `circuit` knows whether anybody answers, `limiter` and `bulkhead`
how much may be asked at once, `persistence` asks until there is a decision. Used by `submitter`; what an answer means
for a submission is decided in `outcomes`.
"""

from service.kube.answers import ApiError, ApiUnreachable
from service.kube.api import Created, KubeApi
from service.kube.circuit import Circuit
from service.kube.guarded import Guard
from service.kube.limiter import Limiter
from service.kube.login import LoginFailed
from service.kube.persistence import Pause, Persistence
from service.kube.rights import missing_rights

__all__ = [
    "ApiError",
    "ApiUnreachable",
    "Circuit",
    "Created",
    "Guard",
    "KubeApi",
    "Limiter",
    "LoginFailed",
    "Pause",
    "Persistence",
    "missing_rights",
]

"""The only door to the Kubernetes API.

`kubeconfig` reads address and login, by way of the official client; `auth` keeps them fresh, with `exec_plugin` where a
program gives the credentials. `transport` makes one exchange, `client` the requests of the service, `fencing` confirms
the lease right before a write. `health` tells whether there is an API server that knows the service, `errors` reads
what came back, `decisions` says what it means for a submission, `access_review` tells which rights are missing;
`reader` and `watch` are the watcher's, which only reads; `reviews` is the ingress's, which asks about users.
"""

from service.kube.access_review import missing_rights
from service.kube.auth import Login
from service.kube.client import Created, KubeApi
from service.kube.errors import ApiError, ApiUnreachable, FaultyLogin
from service.kube.fencing import Confirm
from service.kube.pod_logs import PodLogs
from service.kube.reader import KubeReader
from service.kube.reviews import ReviewedUser, Reviews
from service.kube.watch import Watch

__all__ = [
    "ApiError",
    "ApiUnreachable",
    "Confirm",
    "Created",
    "FaultyLogin",
    "KubeApi",
    "KubeReader",
    "Login",
    "PodLogs",
    "ReviewedUser",
    "Reviews",
    "Watch",
    "missing_rights",
]

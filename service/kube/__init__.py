"""The only door to the Kubernetes API.

`auth` gets the address and the credentials from the official client's configuration, `client` makes the requests,
`errors` reads what came back, `decisions` says what an answer means for a submission, `fencing` confirms the lease
right before a write, `access_review` tells which rights are missing.
"""

from service.kube.access_review import missing_rights
from service.kube.auth import LoginFailed
from service.kube.client import Created, KubeApi
from service.kube.errors import ApiError, ApiUnreachable
from service.kube.fencing import Confirm

__all__ = ["ApiError", "ApiUnreachable", "Confirm", "Created", "KubeApi", "LoginFailed", "missing_rights"]

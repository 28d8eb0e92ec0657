"""Whether there is an API server that knows this service: what a pause of all work depends on.

Two things that look like answers are none. An API server that has just started forbids everything, as it does not know
the roles yet. And a wrong login, or none, is refused (403) whatever it asks for: that says something about the
installation, and nothing about a submission.
"""

import re
from collections.abc import Collection
from itertools import islice
from typing import Any, Final

import orjson

from service.kube.errors import ApiUnreachable, Reason, answer_of, object_in
from service.kube.transport import Transport

BOOTSTRAP_CHECKS: Final = frozenset(
    {"poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes"}
)
"""What an API server looks after for a second or so after it can create Jobs: objects that were there before."""

PROBE_SECONDS: Final = 2.0
"""How long an answer to a probe is waited for."""

MAX_NAMESPACES: Final = 10
"""In how many namespaces the service's rights are looked for before its login counts as somebody else's."""

GROUPS: Final = {
    "namespaces": "",
    "jobs": "batch",
    "persistentvolumeclaims": "",
    "services": "",
    "ingresses": "networking.k8s.io",
    "podtemplates": "",
}
"""The resources that are asked for, and the API group of each; all in version v1."""

_AUTHORIZATION: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AUTHENTICATION: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_FAILED_CHECK: Final = re.compile(r"^\[-\](\S+)", re.MULTILINE)
_USER: Final = re.compile(r'User "([^"]*)"')


def review_of(verb: str, resource: str, namespace: str | None) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the question whether one may do `verb` to `resource` (None: in all namespaces).

    https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
    """
    attributes = {"verb": verb, "group": GROUPS[resource], "resource": resource, "namespace": namespace or ""}
    return _AUTHORIZATION, {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


class Health:
    """Looks after one API server; `namespaces` are those in which the service is known to have rights."""

    def __init__(self, transport: Transport, namespaces: Collection[str]) -> None:
        self._transport = transport
        self._namespaces = sorted(namespaces)
        self._is_doubted = True
        self.created_in: str | None = None
        """The namespace of the last object that was created."""

    async def check(self) -> None:
        """Return when an API server answers and knows this service; raises ApiUnreachable, which says why not.

        Where nothing but `BOOTSTRAP_CHECKS` keeps it from being ready it will do: nobody's Job waits for those.
        """
        if await self._is_ready() and self._is_doubted:
            await self._confirm_identity()

    async def confirm_denial(self) -> None:
        """Return when it is worth asking again what was denied (403 by roles); else raises ApiUnreachable."""
        if not await self._is_ready():
            raise ApiUnreachable(Reason.NOT_READY, "it has just started and does not know the roles yet")
        await self._confirm_identity()

    async def _is_ready(self) -> bool:
        """Ask `/readyz`; False where it is not quite ready and will do. Raises ApiUnreachable.

        https://kubernetes.io/docs/reference/using-api/health-checks/: 200 and `ok`, or 500 and a list of the checks.
        """
        status, headers, raw = await self._transport.exchange("probe", "GET", "/readyz", timeout=PROBE_SECONDS)
        text = raw.decode("utf-8", "replace")
        failed = _FAILED_CHECK.findall(text)
        # the list has some forty checks, most of them good
        said = f"failed: {', '.join(failed)}" if failed else " ".join(text.split())
        detail = f"{status} {said[:100]}"
        if status == 401:
            raise ApiUnreachable(Reason.UNAUTHORIZED, detail)
        if status == 403 and answer_of(status, headers, raw).is_status:  # to others it is ready, as far as one can tell
            return True
        if status == 200 and "<" not in text:
            return True
        if status == 500 and failed and BOOTSTRAP_CHECKS.issuperset(failed):
            return False
        raise ApiUnreachable(Reason.NOT_READY if status >= 500 else Reason.NOT_THE_API, detail)

    async def _confirm_identity(self) -> None:
        """Return when the login has any of the service's rights anywhere; raises ApiUnreachable.

        Which submission is refused does not matter: a login without any of these rights is a wrong login.
        """
        self._is_doubted = True
        likely = dict.fromkeys([self.created_in, *islice(self._namespaces, MAX_NAMESPACES)])
        if not await self._may("get", "namespaces", None):
            for namespace in likely:
                if namespace and await self._may("create", "jobs", namespace):
                    break
            else:
                raise ApiUnreachable(
                    Reason.UNKNOWN_IDENTITY,
                    f"the login is that of {await self._whoami()}, with no right of the service",
                )
        self._is_doubted = False

    async def _may(self, verb: str, resource: str, namespace: str | None) -> bool:
        path, review = review_of(verb, resource, namespace)
        status, _, raw = await self._transport.exchange("review", "POST", path, orjson.dumps(review))
        if status == 401:
            raise ApiUnreachable(Reason.UNAUTHORIZED, f"{status}")
        if status == 429 or status >= 500:
            raise ApiUnreachable(Reason.NOT_READY, f"{status}")
        answer = object_in(raw)
        # to ask is everybody's right (system:basic-user) but of those who did not log in
        return status != 403 and bool(answer.get("status", {}).get("allowed", True))

    async def _whoami(self) -> str:
        """Return the name under which the API server knows this service."""
        body = orjson.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
        status, headers, raw = await self._transport.exchange("review", "POST", _AUTHENTICATION, body)
        found = _USER.search(answer_of(status, headers, raw).message)
        if found:
            return found[1]
        user = object_in(raw).get("status", {}).get("userInfo", {})
        return str(user.get("username", "somebody"))

"""What the sender of a request may do, asked by every route that touches the jobs of a project."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final, Protocol

from service.auth.principal import Principal
from service.submission import rejections
from service.submission.rejection import SubmissionRejected


class Verb(StrEnum):
    """What a route does to the jobs of a project; the words are those of Kubernetes' authorisation."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    DELETE = "delete"
    LOGS = "logs"
    """Read what the pods of a job print: `get` of `pods/log`."""


_ACTIONS: Final = {
    Verb.CREATE: "submit to",
    Verb.GET: "see jobs of",
    Verb.LIST: "list jobs of",
    Verb.DELETE: "delete jobs of",
    Verb.LOGS: "read the logs of",
}
"""What a route does, in the words of a refusal."""


class Authoriser(Protocol):
    """Decides who may do what in which project."""

    async def allowed(self, principal: Principal, verb: Verb, projects: Collection[str]) -> frozenset[str]:
        """Return those of `projects` in which `principal` may do `verb`.

        Raises SubmissionRejected (503) while that cannot be found out.
        """


class ByCredential:
    """An authoriser that lets everybody do all, in the projects that their credential names."""

    async def allowed(self, principal: Principal, verb: Verb, projects: Collection[str]) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `Authoriser`."""
        return frozenset(filter(principal.reaches, projects))


class Rights:
    """What the sender of one request may do by the route that it took; a route that answers has to have asked."""

    def __init__(self, authoriser: Authoriser, principal: Principal, verb: Verb) -> None:
        self._authoriser = authoriser
        self._principal = principal
        self._verb = verb
        self.asked = False
        """Whether the handler has asked for anything; the middleware takes an answer without that for a defect."""

    async def among(self, projects: Collection[str]) -> frozenset[str]:
        """Return those of `projects` in which the sender may do what the route does.

        For lists, and where a job of somebody else's has to look as if it were not there. Raises SubmissionRejected
        (503) while that cannot be found out.
        """
        self.asked = True
        return await self._authoriser.allowed(self._principal, self._verb, projects)

    async def require(self, project: str) -> None:
        """Return when the sender may do in `project` what the route does.

        Raises SubmissionRejected: 403, or 503 while that cannot be found out.
        """
        if project not in await self.among((project,)):
            user, action = self._principal.user, _ACTIONS[self._verb]
            raise SubmissionRejected(rejections.forbidden(f"user {user} is not allowed to {action} project {project}"))

    def see_service(self) -> None:
        """Note that what is answered is of the service as a whole and of no job: whoever is known may see it."""
        self.asked = True

    def only_own(self) -> str | None:
        """Return the user whose own submissions alone the sender may read; None where nobody's identity is proven."""
        self.asked = True
        return self._principal.user if self._principal.is_verified else None

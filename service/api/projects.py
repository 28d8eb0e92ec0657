"""`GET /api/v1/projects`, as the old API had it: the projects that are configured, and those that have jobs."""

from typing import Any, Final

from aiohttp import web

from service.api.job_query import read_old
from service.api.jobs import JobReader
from service.api.responses import json_response
from service.api.routes import RIGHTS
from service.settings import KubeSettings
from service.spec.names import namespace_of

PATH: Final = "/api/v1/projects"


class Projects:
    """Tells the projects; `configured` and the template of their namespaces come from the settings."""

    def __init__(self, reader: JobReader, kube: KubeSettings) -> None:
        self._reader = reader
        self._configured = kube.projects
        self._template = kube.namespace_template

    async def get(self, request: web.Request) -> web.Response:
        """Answer the projects that the user may see, by name. Raises InvalidSubmission, SubmissionRejected (503).

        Nothing is ever deleted here, so `includeDeleted` changes nothing.
        """
        read_old(request.query.items(), ("includeDeleted",))
        index = self._reader.jobs.index
        names = await request[RIGHTS].among(index.projects | self._configured)
        return json_response(200, {"data": [self._view(name, index.created(name)) for name in sorted(names)]})

    def _view(self, name: str, created_at: int | None) -> dict[str, Any]:
        """Return the old API's view of a project; what only a cluster can tell of it is as if nothing were set."""
        return {
            "name": name,
            "createdAt": created_at or 0,
            "deservedGpus": 0,
            "interactiveJobTimeLimitSecs": 0,
            "trainNodeAffinity": [],
            "interactiveNodeAffinity": [],
            "departmentName": "default",
            "managedNamespace": namespace_of(name, self._template),
        }

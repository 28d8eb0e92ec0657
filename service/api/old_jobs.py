"""Listing and looking up jobs as the old API's editions did: `{"data": [JobView]}`, without pages.

The later document's `GET /api/v1/jobs?project=` is this API's own route, whose jobs have all fields of a `JobView`.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from service.api.job_query import MOST, Page, read_old
from service.api.job_views import earliest_view, view
from service.api.jobs import JobReader, written
from service.api.responses import json_bytes
from service.api.routes import RIGHTS
from service.views.job_index import JobEntry, JobFilter

EARLIEST_LIST: Final = "/api/job"
LIST: Final = "/api/v1/job/{project}"
ONE: Final = "/api/v1/job/{project}/{name}"


class OldJobRoutes:
    """The routes of the earliest document and of the machine-readable description."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader

    async def get_all_earliest(self, request: web.Request) -> web.Response:
        """Answer the jobs of a project, or of all. Raises InvalidSubmission, SubmissionRejected (503)."""
        projects, _ = read_old(request.query.items(), ("project",))
        return await self._listed(request, JobFilter(projects=projects, deleted=False), earliest_view)

    async def get_all(self, request: web.Request) -> web.Response:
        """Answer the jobs of a project, of one type if `jobTypeFilter` says so.

        Raises InvalidSubmission, SubmissionRejected (503).
        """
        _, types = read_old(request.query.items(), ("jobTypeFilter",))
        projects = frozenset({request.match_info["project"]})
        return await self._listed(request, JobFilter(projects=projects, types=types, deleted=False), view)

    async def get_one(self, request: web.Request) -> web.Response:
        """Answer the newest job of a name. Raises SubmissionRejected: 403, 404, 503."""
        entry = await self._reader.one(request[RIGHTS], request.match_info["project"], request.match_info["name"])
        return json_bytes(await written([entry], view))

    async def _listed(
        self, request: web.Request, wanted: JobFilter, write: Callable[[JobEntry], bytes]
    ) -> web.Response:
        found, end = await self._reader.page(request[RIGHTS], Page(wanted, MOST, None))
        response = json_bytes(await written(found, write))
        if end is not None:
            response.headers["Warning"] = f'299 - "these are the newest {MOST}; GET /api/v1/jobs has pages"'
        return response

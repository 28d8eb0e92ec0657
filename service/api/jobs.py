"""`GET /api/v1/jobs` and `GET /api/v1/jobs/<project>/<name>`: which jobs there are, and what has become of one.

Answered from memory: no request of a client asks the cluster, and reading goes on while the cluster is gone.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

import orjson
from aiohttp import web

from service.api.job_query import Page, read_page, write_cursor
from service.api.job_views import whole
from service.api.responses import json_bytes
from service.api.routes import RIGHTS
from service.auth.authorisation import Rights
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import escape
from service.views.job_index import JobEntry, Position
from service.views.jobs import Jobs

LIST: Final = "/api/v1/jobs"
ONE: Final = "/api/v1/jobs/{project}/{name}"

POSITION_HEADER: Final = "Last-Event-ID"
"""Where the events begin that tell what changes after a listing."""

WRITTEN_AT_ONCE: Final = 20
"""Jobs written in one turn of the event loop, some 20 µs each."""

NEIGHBOURS: Final = 200
"""Newest names of a project among which those near an unknown one are looked for."""


def loaded(jobs: Jobs) -> Jobs:
    """Return the jobs, once they are known. Raises SubmissionRejected (503) before."""
    if not jobs.loaded:
        raise SubmissionRejected(rejections.jobs_not_loaded(jobs.trouble))
    return jobs


class JobReader:
    """What every answer about jobs has in common: who may see which."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @property
    def jobs(self) -> Jobs:
        """The jobs. Raises SubmissionRejected (503)."""
        return loaded(self._jobs)

    async def page(self, rights: Rights, page: Page) -> tuple[list[JobEntry], Position | None]:
        """Return the jobs of a page that the sender may see, and where the next one begins, None after the last.

        Raises SubmissionRejected (503).
        """
        index, wanted = self.jobs.index, page.wanted
        candidates = index.projects if wanted.projects is None else wanted.projects & index.projects
        wanted = replace(wanted, projects=await rights.among(candidates))
        found: list[JobEntry] = []
        for step in index.scan(wanted, page.after):
            found += step
            if len(found) > page.limit:
                return found[: page.limit], found[page.limit - 1].position
            await asyncio.sleep(0)
        return found, None

    async def one(self, rights: Rights, project: str, name: str) -> JobEntry:
        """Return the newest job of a name. Raises SubmissionRejected: 403, 404, which names the nearest, 503."""
        index = self.jobs.index
        await rights.require(project)
        entry = index.newest(project, name)
        if entry is None:
            nearest = await _nearest(name, index.names(project, NEIGHBOURS))
            raise SubmissionRejected(rejections.unknown_job(escape(project[:100]), escape(name[:100]), nearest))
        return entry


class JobRoutes:
    """The routes of this API."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader

    async def get_all(self, request: web.Request) -> web.Response:
        """Answer a page of jobs, newest first; the header `Last-Event-ID` says where their events go on.

        Raises InvalidSubmission, SubmissionRejected (503).
        """
        page = read_page(request.query.items())
        position = str(self._reader.jobs.recent.position)  # before: an event told twice is better than never
        found, end = await self._reader.page(request[RIGHTS], page)
        cursor = None if end is None else write_cursor(end)
        response = json_bytes(await written(found, whole, b',"next":' + orjson.dumps(cursor)))
        response.headers[POSITION_HEADER] = position
        return response

    async def get_one(self, request: web.Request) -> web.Response:
        """Answer the newest job of a name, whole. Raises SubmissionRejected: 403, 404, 503."""
        entry = await self._reader.one(request[RIGHTS], request.match_info["project"], request.match_info["name"])
        return json_bytes(whole(entry))


async def written(entries: Iterable[JobEntry], write: Callable[[JobEntry], bytes], more: bytes = b"") -> bytes:
    """Return `{"data": [...]}` of jobs; `more` are further members, with the comma before them."""
    pieces = []
    for number, entry in enumerate(entries, 1):
        pieces.append(write(entry))
        if number % WRITTEN_AT_ONCE == 0:
            await asyncio.sleep(0)
    return b'{"data":[' + b",".join(pieces) + b"]" + more + b"}"


async def _nearest(name: str, names: list[str]) -> list[str]:
    """Return the names that are close to one, closest first."""
    near: list[str] = []
    for start in range(0, len(names), WRITTEN_AT_ONCE):
        near += get_close_matches(name[:63], names[start : start + WRITTEN_AT_ONCE])
        await asyncio.sleep(0)
    return get_close_matches(name[:63], near)

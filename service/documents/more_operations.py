"""The endpoints of the old API's editions, of health, and of the documents themselves."""

from typing import Final

from service.api import login, old_jobs, projects, throughput, version
from service.api.routes import PUBLIC
from service.auth.authorisation import Verb
from service.documents import examples, parameters
from service.documents.operation import Answer, Operation, ref
from service.documents.operations import READ
from service.submission import rejections

LIST_JOBS_EARLIEST: Final = Operation(
    id="listJobsOfTheEarliestEdition",
    method="GET",
    paths=(old_jobs.EARLIEST_LIST,),
    needs=Verb.LIST,
    tag="old API",
    summary="The jobs, as the earliest document has them",
    parameters=parameters.OF_OLD_LIST,
    answers=(
        Answer(
            200,
            "At most the newest 1,000; a `Warning` where there are more.",
            ref("EarliestJobViews"),
            {"one": {"data": [examples.EARLIEST_JOB_VIEW]}},
            headers=("Warning",),
        ),
    ),
    refusals=READ,
)

LIST_JOBS_OF_PROJECT: Final = Operation(
    id="listJobsOfProject",
    method="GET",
    paths=(old_jobs.LIST,),
    needs=Verb.LIST,
    tag="old API",
    summary="The jobs of a project, as the machine-readable description has them",
    parameters=(parameters.PROJECT, *parameters.OF_OLD_TYPES),
    answers=(
        Answer(
            200,
            "At most the newest 1,000; a `Warning` where there are more.",
            ref("JobViews"),
            {"one": {"data": [examples.JOB_VIEW]}},
            headers=("Warning",),
        ),
    ),
    refusals=READ,
)

GET_JOB_OF_PROJECT: Final = Operation(
    id="getJobOfProject",
    method="GET",
    paths=(old_jobs.ONE,),
    needs=Verb.GET,
    tag="old API",
    summary="The newest job of a name, as the machine-readable description has it",
    parameters=(parameters.PROJECT, parameters.NAME),
    answers=(Answer(200, "One job.", ref("JobViews"), {"one": {"data": [examples.JOB_VIEW]}}),),
    refusals=(*READ, rejections.unknown_job),
)

LIST_PROJECTS: Final = Operation(
    id="listProjects",
    method="GET",
    paths=(projects.PATH,),
    needs=Verb.LIST,
    tag="old API",
    summary="The projects that are configured, and those that have jobs",
    parameters=parameters.INCLUDE_DELETED,
    answers=(Answer(200, "The projects.", ref("Projects"), {"one": {"data": [examples.PROJECT]}}),),
    refusals=READ,
)

GET_VERSION: Final = Operation(
    id="getVersion",
    method="GET",
    paths=(version.PATH,),
    needs=PUBLIC,
    tag="old API",
    summary="The version of the old API that this is",
    answers=(
        Answer(
            200,
            "The version.",
            ref("Version"),
            {"version": {"data": {"version": "0.1.11", "major": 0, "minor": 1, "subver": 11}}},
        ),
    ),
)

GET_THROUGHPUT: Final = Operation(
    id="getThroughput",
    method="GET",
    paths=(throughput.PATH,),
    needs=Verb.LIST,
    tag="service",
    summary="How many submissions wait, and how many got their outcome, over the last ten minutes",
    description="Of the service as a whole, from when this process started: two processes may tell a little apart.",
    answers=(Answer(200, "The oldest first.", ref("Throughput"), {"quiet": examples.THROUGHPUT}),),
)

GET_LOGIN: Final = Operation(
    id="getLogin",
    method="GET",
    paths=(login.PATH,),
    needs=PUBLIC,
    tag="service",
    summary="How users are known, and where a browser logs them in",
    description="With `oidc`: the authorization code flow with PKCE, as the public client of that id.",
    answers=(Answer(200, "The way.", ref("Login"), {"issuer": examples.LOGIN, "none": examples.NO_LOGIN}),),
    refusals=(rejections.access_unknown,),
)

HEALTHZ: Final = Operation(
    id="getHealth",
    method="GET",
    paths=("/healthz",),
    needs=PUBLIC,
    tag="service",
    summary="Whether the process runs",
    answers=(Answer(200, "It does.", {"type": "string"}, {"ok": "ok\n"}, media_type="text/plain"),),
)

_PARTS: Final = {"replies": True, "producer": True, "jobs": "loaded"}

READYZ: Final = Operation(
    id="getReadiness",
    method="GET",
    paths=("/readyz",),
    needs=PUBLIC,
    tag="service",
    summary="Whether every part takes part",
    answers=(
        Answer(200, "All do.", ref("Parts"), {"ready": _PARTS}),
        Answer(503, "Some do not.", ref("Parts"), {"starting": _PARTS | {"replies": False}}),
    ),
)

INDEX: Final = Operation(
    id="getIndex",
    method="GET",
    paths=("/",),
    needs=PUBLIC,
    tag="service",
    summary="The page for people, or what there is",
    description="A browser gets the page. Load balancers that can ask for nothing else take the 200 for health.",
    answers=(
        Answer(
            200,
            "The paths; where `Accept` names `text/html`, the page.",
            {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}},
            {"paths": {"message": "POST a job to /api/job"}},
        ),
    ),
)

GET_DOCS: Final = Operation(
    id="getDocs",
    method="GET",
    paths=("/docs",),
    needs=PUBLIC,
    tag="service",
    summary="This document as a page to try it on",
    answers=(Answer(200, "The page.", {"type": "string"}, {"page": "<!doctype html>"}, media_type="text/html"),),
)

GET_PAGE_FILE: Final = Operation(
    id="getPageFile",
    method="GET",
    paths=("/page/{file}",),
    needs=PUBLIC,
    tag="service",
    summary="A file that the pages load",
    parameters=(
        {"name": "file", "in": "path", "required": True, "description": "Its name.", "schema": {"type": "string"}},
    ),
    answers=(Answer(200, "The file.", {"type": "string"}, {"file": "body {}"}, media_type="text/*"),),
    refusals=(rejections.unknown_path,),
)

OPERATIONS: Final = (
    LIST_JOBS_EARLIEST,
    LIST_JOBS_OF_PROJECT,
    GET_JOB_OF_PROJECT,
    LIST_PROJECTS,
    GET_VERSION,
    GET_THROUGHPUT,
    GET_LOGIN,
    INDEX,
    GET_DOCS,
    GET_PAGE_FILE,
    HEALTHZ,
    READYZ,
)


def document(path: str, what: str) -> Operation:
    """Return the operation that reads a document of this API."""
    name = path.removesuffix(".json").rpartition("/")[2]
    return Operation(
        id="get" + "".join(word.capitalize() for word in name.split("-")) + "Document",
        method="GET",
        paths=(path,),
        needs=PUBLIC,
        tag="service",
        summary=what,
        answers=(Answer(200, "The document.", {"type": "object"}, {"document": {}}),),
    )

"""The way in: submitting, finding, following and cancelling jobs."""

import time
import uuid
from collections.abc import Iterator, Mapping
from os import PathLike
from time import monotonic
from typing import Any, Final, Literal, Self, Unpack, overload
from urllib.parse import quote

import httpx2

from job_submission import responses
from job_submission._sync.events import follow_events
from job_submission._sync.following import follow_log
from job_submission._sync.job import Job
from job_submission._sync.transport import Token, Transport
from job_submission.errors import JobSubmissionError, LogBrokeOff, TimedOut
from job_submission.filters import EventFilters, JobFilters, query
from job_submission.log_lines import LineSplitter
from job_submission.parameters import Parameters
from job_submission.request_body import body_of
from job_submission.states import Cancelled, DryRun, Event, JobState, Project

JOBS: Final = "/api/v1/jobs"
LONGEST_WAIT: Final = 30.0
"""Seconds that one request waits for an outcome: proxies between may cut off what takes a minute."""
SILENCE_SECONDS: Final = 120.0
"""After which a log that is not followed counts as broken off."""


class Client:
    """A client of one service.

    Args:
        url: where the service is, such as `http://127.0.0.1:8080`.
        user: who submits, where the service verifies nobody.
        token: a bearer token, where it does; or a function that returns one, asked before each request.
        retry_seconds: how long a request that fails for a time is sent again, with back-off.
        ca_file: the authorities to check the service's certificate against, a PEM file, instead of the system's.
        http: a client of `httpx2` of one's own, for proxies and logins by certificate; it is not closed here.

    Raises OSError where `ca_file` cannot be read or holds no certificate.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        token: Token | None = None,
        retry_seconds: float = 60.0,
        ca_file: str | PathLike[str] | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        self._transport = Transport(
            url, user=user, token=token, retry_seconds=retry_seconds, ca_file=ca_file, http=http
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @overload
    def submit(
        self,
        *,
        dry_run: Literal[False] = False,
        idempotency_key: str | None = None,
        timeout: float = 120.0,
        **parameters: Unpack[Parameters],
    ) -> Job: ...
    @overload
    def submit(
        self,
        *,
        dry_run: Literal[True],
        idempotency_key: str | None = None,
        timeout: float = 120.0,
        **parameters: Unpack[Parameters],
    ) -> DryRun: ...
    def submit(
        self,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
        timeout: float = 120.0,
        **parameters: Unpack[Parameters],
    ) -> Job | DryRun:
        """Submit a job and return it once it exists; with `dry_run`, what would become of it.

        Args:
            dry_run: everything a submission goes through, and nothing is created.
            idempotency_key: who this submission is: sent again under the same key it makes one job, whoever asks
                again. Without one it has a fresh key, which is kept while this call tries again.
            timeout: how long to wait for the outcome, in seconds.
            parameters: those of the service, in Python's spelling or in that of JSON.

        Raises Refused, by its reason (InvalidParameter has all `faults`); TimedOut where it was accepted and there is
        no outcome in time; ServiceUnreachable, where nobody knows whether it was: submit again under the same key.
        """
        return self.submit_document(
            body_of(parameters), dry_run=dry_run, idempotency_key=idempotency_key, timeout=timeout
        )

    def submit_document(
        self,
        document: Mapping[str, Any],
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
        timeout: float = 120.0,
    ) -> Job | DryRun:
        """Submit a body as the service documents it, `{"job": {...}}`; else as `submit`."""
        body, response = self._settle(
            "POST",
            JOBS,
            timeout,
            key=idempotency_key,
            json=document,
            params=[("dryRun", "true")] if dry_run else [],
        )
        warnings = responses.warnings(response)
        if dry_run:
            return DryRun.model_validate({**body, "warnings": warnings})
        return Job(self, str(document["job"]["project"]), body["name"], warnings=warnings, is_new=True)

    def job(self, project: str, name: str) -> Job:
        """Return the newest job of that name with its state. Raises Refused (UnknownJob, Forbidden, ...)."""
        return Job(self, project, name, state=self.state(project, name))

    def state(self, project: str, name: str) -> JobState:
        """Return what is known of the newest job of that name. Raises Refused (UnknownJob, Forbidden, ...)."""
        response = self._transport.request("GET", _path(project, name))
        return JobState.model_validate(responses.document(response.status_code, response.content))

    def jobs(self, *, page_size: int = 500, **filters: Unpack[JobFilters]) -> Iterator[Job]:
        """Yield the jobs, newest first, from as many pages as there are; each has its `state`.

        Raises Refused (InvalidParameter, JobsNotLoaded, ...).
        """
        cursor = None
        while True:
            params = [*query(filters), ("limit", str(page_size)), *([("cursor", cursor)] if cursor else [])]
            response = self._transport.request("GET", JOBS, params=params)
            page = responses.document(response.status_code, response.content)
            for each in page["data"]:
                state = JobState.model_validate(each)
                yield Job(self, state.project, state.name, state=state)
            cursor = page["next"]
            if cursor is None:
                return

    def position(self) -> str:
        """Return where the events are now: `events(after=...)` begins there."""
        response = self._transport.request("GET", JOBS, params=[("limit", "1")])
        return response.headers["Last-Event-ID"]

    def events(self, *, after: str | None = None, **filters: Unpack[EventFilters]) -> Iterator[Event]:
        """Yield the events of jobs as they come, for ever: cut off, it goes on where it was, with none twice.

        It begins behind the position `after`, else when the first event is asked for. Raises Refused, and
        ServiceUnreachable once the service has not answered for `retry_seconds`.
        """
        for event in follow_events(self._transport, query(filters), after):
            yield event

    def projects(self) -> list[Project]:
        """Return the projects that the user may see, by name."""
        response = self._transport.request("GET", "/api/v1/projects")
        return [Project.model_validate(each) for each in responses.document(200, response.content)["data"]]

    def cancel(self, project: str, name: str, *, timeout: float = 120.0) -> Cancelled:
        """Cancel the newest job of that name. Raises TimedOut, Refused (UnknownJob, Forbidden, ...)."""
        body, _ = self._settle("DELETE", _path(project, name), timeout)
        return Cancelled.model_validate(body)

    def cancel_submission(self, submission: str, *, timeout: float = 120.0) -> Cancelled:
        """Cancel a submission by its id, also before there is a job of it. Raises TimedOut, Refused."""
        body, _ = self._settle("DELETE", f"/api/submissions/{quote(submission, safe='')}", timeout)
        return Cancelled.model_validate(body)

    def log_lines(self, project: str, name: str, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a job's log, see `AsyncJob.logs`; `options` are those of the URL.

        One that is followed goes on where its connection broke.
        """
        path = _path(project, name) + "/logs"
        if options.get("follow"):
            for line in follow_log(self._transport, path, f"{project}/{name}", options):
                yield line
            return
        lines = LineSplitter()
        with self._transport.stream(path, params=query(options), silence=SILENCE_SECONDS) as response:
            try:
                for piece in response.iter_raw():
                    for line in lines.feed(piece):
                        yield line
            except httpx2.TransportError as error:
                why = str(error) or type(error).__name__
                raise LogBrokeOff(f"the log of {project}/{name} broke off: {why}") from error
            for line in lines.end():
                yield line

    def _settle(
        self,
        method: str,
        path: str,
        timeout: float,
        *,
        key: str | None = None,
        json: Any = None,
        params: list[tuple[str, str]] | None = None,
    ) -> tuple[dict[str, Any], httpx2.Response]:
        """Send a submission or a cancel, and return its outcome with the response that brought it.

        Raises Refused, TimedOut, ServiceUnreachable, UnexpectedAnswer, each with the key.
        """
        own_key = key or uuid.uuid4().hex
        end = monotonic() + timeout
        wait = max(0.0, min(LONGEST_WAIT, timeout))
        headers = {"Idempotency-Key": own_key, "Prefer": f"wait={int(wait)}"}
        submission: str | None = None
        try:
            response = self._transport.request(
                method, path, params=params or [], json=json, headers=headers, wait=wait, patience=timeout
            )
            while (body := responses.outcome(response)) is None:
                submission = submission or str(responses.document(202, response.content)["id"])
                asked = responses.retry_after(response)
                seconds = 1.0 if asked is None else asked
                if monotonic() + seconds > end:
                    raise TimedOut(f"there is no outcome of submission {submission} in {timeout:g} s")
                time.sleep(seconds)
                response = self._transport.request("GET", f"/api/submissions/{submission}", patience=end - monotonic())
        except JobSubmissionError as error:
            error.sent_under(own_key, submission)
            raise
        return body, response


def _path(project: str, name: str) -> str:
    return f"{JOBS}/{quote(project, safe='')}/{quote(name, safe='')}"

"""`jobsub submit` and `jobsub cancel`."""

import contextlib
import signal
import sys
import uuid
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from job_submission.cli import output
from job_submission.cli.configuration import Configuration, required_project
from job_submission.cli.connection import connected, formatted
from job_submission.cli.reading import shown
from job_submission.cli.words import WithWords, job_from, submission_options

if TYPE_CHECKING:
    from job_submission import Job, JobState

_GRACE_SECONDS: Final = 0.1


def _merged(source: str | None, job: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a submission: what a file holds, and over it what the flags say. Raises click.UsageError."""
    if source is None:
        return {"job": job}
    from job_submission.cli.job_file import read_job

    document = read_job(source)
    if not isinstance(document["job"], dict):
        return document  # the service says what is wrong with it
    return {**document, "job": {**document["job"], **job}}


@click.command(cls=WithWords, params=[*submission_options()])
@click.option("-f", "--filename", "source", help="file of the job as JSON or YAML, - for standard input")
@click.option("--wait", is_flag=True, help="wait until it has ended; exit code 1 where it failed")
@click.option("--follow", is_flag=True, help="print what it prints, then as --wait")
@click.option("--dry-run", is_flag=True, help="only tell what would be created")
@click.option("--kafka", help="bootstrap servers: produce to the topic instead of the HTTP API; '' is the HTTP API")
@click.option("--submissions-topic", default="job-submissions", show_default=True, help="with --kafka")
@click.option("--outcomes-topic", default="job-outcomes", show_default=True, help="with --kafka")
@click.option("--signing-key", help="with --kafka: file of a JWK to sign with, where the service requires it")
@click.option("--idempotency-key", help="who this submission is: sent again under it, it makes one job")
@click.option("--timeout", type=float, help="seconds to wait, in all; exit code 124 after them")
@formatted("name")
def submit(config: Configuration, **values: Any) -> None:
    """Submit a job, and print its name.

    jobsub submit -p team-a -i busybox -g 1 -- echo hello

    What is behind -- are the arguments of the image's program; with --command they are the
    command itself.
    """
    from job_submission.errors import JobSubmissionError, Refused
    from job_submission.retries import is_temporary

    ctx = click.get_current_context()
    document = _merged(values["source"], job_from(ctx, values, None if values["source"] else config.project))
    if isinstance(document["job"], dict) and config.project:
        document["job"].setdefault("project", config.project)
    via = _over_kafka if config.kafka else _over_http
    values["idempotency_key"] = key = values["idempotency_key"] or uuid.uuid4().hex
    try:
        with _at_most(values["timeout"]):
            via(ctx, config, document, values)
    except (JobSubmissionError, KeyboardInterrupt) as error:
        if not isinstance(error, Refused) or is_temporary(error):
            output.say(
                f"the same line with --idempotency-key {key} goes on with this submission, and makes no second job"
            )
        raise


class _Over(BaseException):
    """The time is over; no TimeoutError, which the HTTP client would take for one of its own."""


@contextlib.contextmanager
def _at_most(seconds: float | None) -> Iterator[None]:
    """Raise TimedOut within the block after so many seconds: a log that is followed may say nothing for hours.

    By the alarm of POSIX; where there is none, what waits is bounded by itself, and the log is not.
    """
    from job_submission.errors import TimedOut

    def over(*_: object) -> None:
        raise _Over

    if not seconds or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)  # what is bounded by itself says more
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Over:  # also right before the alarm was turned off
        raise TimedOut(f"{seconds:g} s are over") from None
    finally:
        signal.signal(signal.SIGALRM, before)


def _over_http(ctx: click.Context, config: Configuration, document: dict[str, Any], values: dict[str, Any]) -> None:
    from job_submission import DryRun

    end = _end(values)
    with config.client() as client:
        done = client.submit_document(
            document,
            dry_run=values["dry_run"],
            idempotency_key=values["idempotency_key"],
            timeout=values["timeout"] or 120.0,
        )
        _warn(done.warnings)
        if isinstance(done, DryRun):
            _show_dry_run(done.name, done.objects, values["form"])
        else:
            _accompany(ctx, done, values, end)


def _over_kafka(ctx: click.Context, config: Configuration, document: dict[str, Any], values: dict[str, Any]) -> None:
    from job_submission import Job
    from job_submission.cli.producing import produced

    end = _end(values)
    done = produced(
        config,
        document,
        dry_run=values["dry_run"],
        idempotency_key=values["idempotency_key"],
        timeout=values["timeout"] or 120.0,
        submissions=values["submissions_topic"],
        outcomes=values["outcomes_topic"],
    )
    _warn(done.warnings)
    if values["dry_run"]:
        _show_dry_run(done.name, done.objects, values["form"])
    elif values["wait"] or values["follow"] or values["form"] != "name":
        with config.client() as client:
            _accompany(ctx, Job(client, document["job"]["project"], done.name, is_new=True), values, end)
    else:
        output.show(done.name)


def _end(values: dict[str, Any]) -> float | None:
    return None if values["timeout"] is None else monotonic() + values["timeout"]


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        output.say(f"warning: {warning}")


def _show_dry_run(name: str, objects: Any, form: str) -> None:
    output.say(f"{name} would be created")
    if form == "name":
        output.show(name)
    elif form == "json":
        output.show(output.as_json(list(objects)))
    else:
        output.show("\n---\n".join(map(output.as_yaml, objects)))


def _accompany(ctx: click.Context, job: "Job", values: dict[str, Any], end: float | None) -> None:
    """Print the job's name, and go with it as far as the flags say, until `end` by the clock `monotonic`."""
    form = values["form"]
    output.say(f"submitted to {job.project}; what it prints: jobsub logs -f -p {job.project} {job.name}")
    if form == "name":
        (output.say if values["follow"] else output.show)(job.name)
    if values["follow"]:
        _follow(job)
    if values["wait"] or values["follow"]:
        state = job.wait(None if end is None else max(0.0, end - monotonic()))
        if form != "name":
            output.show(shown([state], form))
        if not state.succeeded:
            output.say(_ending(state))
            ctx.exit(1)
    elif form != "name":
        output.show(shown([job.status()], form))


def _follow(job: "Job") -> None:
    from job_submission.reasons import LogsGone, LogsNotServed, LogsUnavailable

    try:
        for line in job.logs(follow=True):
            output.show(line)
    except (LogsGone, LogsNotServed, LogsUnavailable) as error:
        output.say(f"there is no log: {error}")


def _ending(state: "JobState") -> str:
    """Return how a job ended that did not end well."""
    words = f"{state.name} ended as {state.status}"
    if state.exit is not None:
        code = "" if state.exit.code is None else f" with code {state.exit.code}"
        words += f": {state.exit.reason or 'its container ended'}{code}"
        words += f"\n{state.exit.message.rstrip()}" if state.exit.message else ""
    return words


@click.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("-p", "--project", help="project of the jobs")
@click.option("--submission", help="cancel a submission by its id, also before there is a job of it")
@click.option("--timeout", type=float, default=120.0, show_default=True, help="seconds to wait for each")
def cancel(config: Configuration, names: tuple[str, ...], submission: str | None, timeout: float, **_: Any) -> None:
    """Stop jobs and delete them, whatever has become of them. Prints the names of those that are gone.

    One that is refused does not keep the others: the exit code is 3 in the end.
    """
    from job_submission.errors import Refused

    if bool(names) == bool(submission):
        raise click.UsageError("give the names of jobs, or --submission")
    with config.client() as client:
        if submission:
            gone = client.cancel_submission(submission, timeout=timeout)
            output.show(gone.name or submission)
            return
        refused: Refused | None = None
        for name in names:
            try:
                client.cancel(required_project(config), name, timeout=timeout)
                output.show(name)
            except Refused as error:
                if len(names) > 1:
                    output.say(f"{name}: {error.reason}: {error}")
                refused = error
    if refused is not None:
        if len(names) == 1:
            raise refused
        sys.exit(3)


for each in (submit, cancel):
    connected(each)

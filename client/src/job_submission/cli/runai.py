"""`jobsub runai`: the old command line, with its words on standard output and its exit codes (0 and 1)."""

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from job_submission.cli import output
from job_submission.cli.configuration import Configuration, required_project
from job_submission.cli.connection import connected
from job_submission.cli.reading import document
from job_submission.cli.runai_views import description, job_table
from job_submission.cli.words import WithWords, job_from, submission_options

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


class OldCommands(click.Group):
    """Every failure is words on standard output and exit code 1, a wrong usage too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see `click.Group.invoke`."""
        with _old_failures():
            return super().invoke(ctx)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run by itself; see `click.Group.main`."""
        with _old_failures():
            return super().main(*args, **kwargs)


@contextlib.contextmanager
def _old_failures() -> Iterator[None]:
    from job_submission.errors import JobSubmissionError

    try:
        yield
    except click.UsageError as error:
        click.echo(f"Error: {error.format_message()}")
        sys.exit(1)
    except JobSubmissionError as error:
        click.echo(str(error))
        sys.exit(1)


@click.group(cls=OldCommands)
def runai() -> None:
    """The old command line, for scripts that were written for it."""


@click.command("submit", cls=WithWords, params=[*submission_options()])
@click.option("--dry-run", is_flag=True, help="only print what would be created")
def submit(config: Configuration, dry_run: bool, **values: Any) -> None:  # noqa: FBT001 - click gives it by name
    """Submit a job."""
    from job_submission import DryRun
    from job_submission.errors import JobSubmissionError
    from job_submission.reasons import NameTaken

    job = job_from(click.get_current_context(), values, required_project(config))
    with config.client() as client:
        try:
            done = client.submit_document({"job": job}, dry_run=dry_run)
        except NameTaken:
            name = job.get("name", "")
            click.echo(f"the job {name} already exists, please delete it first (use 'runai delete {name}')")
            sys.exit(1)
        if not isinstance(done, DryRun):
            with contextlib.suppress(JobSubmissionError):
                done.status()  # scripts take a job that describe does not know yet for one that is gone
    if isinstance(done, DryRun):
        output.show("\n---\n".join(map(output.as_yaml, done.objects)))
        return
    for warning in done.warnings:
        output.say(f"warning: {warning}")
    output.show(f"The job '{done.name}' has been submitted successfully")
    output.show(f"You can run `runai describe job {done.name} -p {done.project}` to check the job status")


@click.command("list")
@click.argument("kind", type=click.Choice(["jobs", "job", "projects", "project"]), default="jobs")
@click.option("-p", "--project", help="project of the jobs")
@click.option("-A", "--all-projects", is_flag=True, help="of all projects")
def list_things(config: Configuration, kind: str, all_projects: bool, **_: Any) -> None:  # noqa: FBT001 - as above
    """List jobs or projects."""
    with config.client() as client:
        if kind.startswith("project"):
            output.show(output.table(["PROJECT"], [[each.name] for each in client.projects()]))
            return
        project = None if all_projects else required_project(config)
        jobs = [document(job.state) for job in client.jobs(project=project or ()) if job.state is not None]
    output.show("Showing jobs for all projects" if project is None else f"Showing jobs for project {project}")
    output.show(job_table(jobs))


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[job] NAME")
@click.option("-p", "--project", help="project of the job")
@click.option("-o", "--output", "form", type=click.Choice(["json", "yaml", "wide"]), default="wide")
def describe(config: Configuration, words: tuple[str, ...], form: str, **_: Any) -> None:
    """Show a job."""
    (name,) = _names(words, 1)
    with config.client() as client:
        job = document(client.state(required_project(config), name))
    view = description(job)
    if form == "json":
        output.show(output.as_json(view))
    elif form == "yaml":
        output.show(output.as_yaml(view))
    else:
        lines = [f"{key.capitalize()}: {value}" for key, value in view.items() if not isinstance(value, list)]
        output.show("\n".join(lines))


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[job] NAME...")
@click.option("-p", "--project", help="project of the jobs")
def delete(config: Configuration, words: tuple[str, ...], **_: Any) -> None:
    """Delete jobs; what fails is told, and the exit code is 0 all the same."""
    from job_submission.errors import JobSubmissionError
    from job_submission.reasons import UnknownJob

    project = required_project(config)
    with config.client() as client:
        for name in _names(words):
            try:
                client.cancel(project, name)
                output.show(f"Job {name} deleted successfully.")
            except UnknownJob:
                output.show(f"The job {name} does not exist")
            except JobSubmissionError as error:
                output.show(f"The job {name} could not be deleted: {error}")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[job] NAME")
@click.option("-p", "--project", help="project of the job")
@click.option("-f", "--follow", is_flag=True, help="go on until the job has ended")
@click.option("-t", "--tail", type=int, help="the last lines alone")
@click.option("--since", help="what was printed since, such as 5s, 2m or 3h")
@click.option("--timestamps", is_flag=True, help="each line with its time")
def logs(config: Configuration, words: tuple[str, ...], since: str | None, **values: Any) -> None:
    """Print what a job prints."""
    from job_submission import Job

    (name,) = _names(words, 1)
    project = required_project(config)
    values.pop("project")
    with config.client() as client:
        for line in Job(client, project, name).logs(since=_seconds(since), **values):
            output.show(line)


def _names(words: tuple[str, ...], most: int | None = None) -> tuple[str, ...]:
    """Return the names behind the word `job`, where that is said. Raises click.UsageError."""
    names = words[1:] if words[0] in ("job", "jobs") and len(words) > 1 else words
    if most is not None and len(names) != most:
        raise click.UsageError("give the name of one job")
    return names


def _seconds(text: str | None) -> int | None:
    """Return the seconds of a duration such as 5s or 1h30m, and of seconds alone. Raises click.UsageError."""
    if text is None:
        return None
    if not re.fullmatch(r"\d+|(\d+[hms])+", text):
        raise click.UsageError("--since must be a duration such as 5s, 2m or 3h")
    return sum(int(count) * _SECONDS.get(unit, 1) for count, unit in re.findall(r"(\d+)([hms]?)", text))


for each in (submit, list_things, describe, delete, logs):
    connected(each)
    runai.add_command(each)

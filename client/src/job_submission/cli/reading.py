"""`jobsub list`, `describe`, `logs` and `projects`."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from job_submission.cli import output
from job_submission.cli.configuration import Configuration, required_project
from job_submission.cli.connection import connected, formatted

if TYPE_CHECKING:
    from job_submission import JobState

Column = Callable[[Mapping[str, Any]], str]


def images(job: Mapping[str, Any]) -> str:
    """Return the images of a job as one text, however the service gave them."""
    return job["images"] if isinstance(job["images"], str) else ",".join(job["images"])


_COLUMNS: Final[dict[str, Column]] = {
    "NAME": lambda job: job["name"],
    "STATUS": lambda job: job["status"],
    "AGE": lambda job: output.age(job["createdAt"]),
    "PROJECT": lambda job: job["project"],
    "USER": lambda job: job["user"] or "",
    "GPUS": lambda job: output.gpus(job["requestedGPUs"]),
    "NODE": lambda job: _several(job["nodes"]),
}
_WIDE: Final[dict[str, Column]] = {
    "TYPE": lambda job: job["type"],
    "IMAGE": images,
    "RESTARTS": lambda job: str(job["restarts"]),
    "WAITS": lambda job: (job["waiting"] or {}).get("sentence", ""),
}
_STATUS: Final = 1  # the column in colour


def _several(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} nodes" if names else ""


def document(state: "JobState") -> dict[str, Any]:
    """Return the JSON of a job's state, as the service gives it."""
    found: dict[str, Any] = state.model_dump(mode="json", by_alias=True)
    return found


def shown(states: Sequence["JobState"], form: str) -> str:
    """Return jobs in one of the formats; one alone as itself, not as a list."""
    jobs = [document(state) for state in states]
    if len(jobs) == 1 and form in ("json", "yaml"):
        return output.as_json(jobs[0]) if form == "json" else output.as_yaml(jobs[0])
    return output.listing(jobs, form, _COLUMNS, _WIDE, paint=_STATUS)


@click.command("list")
@click.option("-p", "--project", multiple=True, help="of these projects")
@click.option("-A", "--all-projects", is_flag=True, help="of all projects, also where there is one by default")
@click.option("--user-name", "owner", multiple=True, help="of these users")
@click.option("--status", multiple=True, help="with these statuses, such as Running")
@click.option("--phase", multiple=True, help="in these phases, such as Pending")
@click.option("--type", "kind", multiple=True, help="Train or Interactive")
@click.option("--reason", multiple=True, help="that wait for these reasons")
@click.option("--name", help="whose names have this in them")
@click.option("--since", help="created since a time such as 2026-11-26T12:00:00Z")
@click.option("--until", help="created before a time")
@click.option("--deleted", type=click.Choice(["false", "true", "any"]), default="false", help="deleted ones")
@click.option("--limit", type=int, help="at most so many, the newest")
@formatted("table")
def list_jobs(config: Configuration, form: str, **values: Any) -> None:
    """List jobs, newest first."""
    projects = values["project"] or (() if values["all_projects"] else (config.project,))
    names = {"owner": "user", "kind": "type"}
    filters = {names.get(key, key): value for key, value in values.items() if value}
    filters = {key: value for key, value in filters.items() if key not in ("all_projects", "limit", "project")}
    limit = values["limit"]
    found: list[dict[str, Any]] = []
    with config.client() as client:
        size = min(500, limit or 500)
        for job in client.jobs(page_size=size, project=[each for each in projects if each], **filters):
            if limit is not None and len(found) >= limit:
                break
            if job.state is not None:
                found.append(document(job.state))
    if form in ("table", "wide") and not found:
        output.say("no jobs")
    else:
        output.show(output.listing(found, form, _COLUMNS, _WIDE, paint=_STATUS))


@click.command()
@click.argument("name")
@click.option("-p", "--project", help="project of the job")
@formatted("table")
def describe(config: Configuration, name: str, form: str, **_: Any) -> None:
    """Show one job: why it waits, how it ended, its time line."""
    with config.client() as client:
        state = client.state(required_project(config), name)
    output.show(description(document(state)) if form in ("table", "wide") else shown([state], form))


def description(job: Mapping[str, Any]) -> str:
    """Return a job in words: a line for each thing that is known, then its time line."""
    asked, got = output.gpus(job["requestedGPUs"]), output.gpus(job["allocatedGPUs"])
    pods = ", ".join(f"{count} {kind}" for kind, count in job["pods"].items() if count)
    waiting, ending = job["waiting"] or {}, job["exit"] or {}
    lines = {
        "Name": f"{job['project']}/{job['name']}",
        "Status": output.painted(job["status"]),
        "Phase": job["phase"],
        "Waits": waiting and f"{waiting['reason']}: {waiting['sentence']}",
        "Next": waiting.get("next"),
        "Ended": ending and " ".join(str(each) for each in (ending["reason"], ending["code"]) if each is not None),
        "User": job["user"],
        "Type": job["type"],
        "Image": images(job),
        "GPUs": f"{asked} asked for, {got} in use",
        "Nodes": ", ".join(job["nodes"]),
        "Pods": pods,
        "Restarts": job["restarts"] or None,
        "Created": stamp(job["createdAt"]),
        "Submission": job["submission"],
    }
    shown = [f"{name + ':':<12}{value}" for name, value in lines.items() if value]
    if ending.get("message"):
        shown += ["Last lines:", *(f"  {line}" for line in ending["message"].rstrip().splitlines())]
    steps = [[stamp(step["at"]), step["phase"], step["reason"] or ""] for step in job["history"]]
    return "\n".join([*shown, "", output.table(["TIME", "PHASE", "REASON"], steps)])


def stamp(milliseconds: int) -> str:
    """Return a time in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))


@click.command()
@click.argument("name")
@click.option("-p", "--project", help="project of the job")
@click.option("-f", "--follow", is_flag=True, help="go on until the job has ended")
@click.option("-t", "--tail", type=int, help="the last lines of each pod alone")
@click.option("--since", type=int, help="what was printed in the last seconds alone")
@click.option("--timestamps", is_flag=True, help="each line with its time")
@click.option("--pod", help="of this pod")
@click.option("--container", help="of this container")
@click.option("--previous", is_flag=True, help="of the container before the present one")
def logs(config: Configuration, name: str, **values: Any) -> None:
    """Print what a job prints."""
    from job_submission import Job

    project = required_project(config)
    values.pop("project")
    with config.client() as client:
        for line in Job(client, project, name, is_new=values["follow"]).logs(**values):
            output.show(line)


@click.command()
@formatted("table")
def projects(config: Configuration, form: str) -> None:
    """List the projects."""
    with config.client() as client:
        found = [project.model_dump(mode="json", by_alias=True) for project in client.projects()]
    columns: dict[str, Column] = {"NAME": lambda each: each["name"], "NAMESPACE": lambda each: each["managedNamespace"]}
    output.show(output.listing(found, form, columns, {"FIRST JOB": lambda each: output.age(each["createdAt"] or None)}))


for each in (list_jobs, describe, logs, projects):
    connected(each)

"""`jobsub events`."""

from typing import Any

import click

from job_submission.cli import output
from job_submission.cli.configuration import Configuration
from job_submission.cli.connection import connected, formatted


@click.command()
@click.option("-p", "--project", multiple=True, help="of these projects")
@click.option("--phase", multiple=True, help="of jobs in these phases")
@click.option("--status", multiple=True, help="of jobs with these statuses")
@click.option("--name", help="of jobs whose names have this in them")
@click.option("--after", help="behind this position, the `position` of an event in JSON")
@formatted("table", among=("table", "json"))
def events(config: Configuration, form: str, after: str | None, **filters: Any) -> None:
    """Print what becomes of jobs as it comes, until Ctrl-C.

    A line for each event; cut off, it goes on where it was.
    """
    given = {name: value for name, value in filters.items() if value}
    if not given.get("project") and config.project:
        given["project"] = config.project
    with config.client() as client:
        for event in client.events(after=after, **given):
            if form == "json":
                output.show(output.as_json(event.model_dump(mode="json", by_alias=True), indent=None))
            elif event.job is None:
                output.say("events were dropped before they could be sent: jobsub list has what became of the jobs")
            else:
                waits = event.job.waiting.sentence if event.job.waiting else ""
                line = [event.time, f"{event.job.project}/{event.job.name}", output.painted(event.job.status), waits]
                output.show("  ".join(filter(None, line)))


connected(events)

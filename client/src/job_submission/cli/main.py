"""`jobsub`: the commands, and what an ending means.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the service, 124 timed out.
"""

from typing import Any

import click

from job_submission.cli.following import events
from job_submission.cli.reading import describe, list_jobs, logs, projects
from job_submission.cli.runai import runai
from job_submission.cli.submitting import cancel, submit

FAILED, REFUSED, TIMED_OUT = 1, 3, 124


class Commands(click.Group):
    """Turns what goes wrong into words on standard error and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see `click.Group.invoke`."""
        from job_submission.errors import JobSubmissionError, Refused, TimedOut

        try:
            return super().invoke(ctx)
        except Refused as error:
            click.echo(f"refused: {error.reason}\n{error}" if error.faults else f"{error.reason}: {error}", err=True)
            ctx.exit(REFUSED if error.status < 500 else FAILED)
        except TimedOut as error:
            click.echo(f"timed out: {error}", err=True)
            ctx.exit(TIMED_OUT)
        except JobSubmissionError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(FAILED)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and flags: eval "$(jobsub completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(found(cli, {}, "jobsub", "_JOBSUB_COMPLETE").source())


@click.group(
    cls=Commands,
    commands=[submit, list_jobs, describe, logs, cancel, events, projects, completion, runai],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""Where the service is and who asks: --url, --token and --user of each command, else JOBSUB_URL,
    JOBSUB_TOKEN, JOBSUB_USER and JOBSUB_PROJECT, else the context of ~/.config/jobsub/config.yaml that --context,
    JOBSUB_CONTEXT or its line `current` names. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 124 timed
    out.""",
)
@click.version_option(package_name="job-submission-client", prog_name="jobsub")
def cli() -> None:
    """Submit training jobs, see what becomes of them, stop them."""


def main() -> None:
    """Run the command line."""
    cli(prog_name="jobsub")

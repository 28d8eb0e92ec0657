"""`jobsub`: the commands, and what an ending means.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the service, 124 timed out; 130 after Ctrl-C.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, NamedTuple

import click

from job_submission.cli.endings import end_by

FAILED, USAGE, REFUSED, TIMED_OUT = 1, 2, 3, 124


class Command(NamedTuple):
    """Where a command is, which is loaded when it is called, and what the help says of it."""

    module: str
    name: str
    help: str


COMMANDS: Final = {
    "submit": Command("submitting", "submit", "Submit a job, and print its name."),
    "list": Command("reading", "list_jobs", "List jobs, newest first."),
    "describe": Command("reading", "describe", "Show one job: why it waits, how it ended, its time line."),
    "logs": Command("reading", "logs", "Print what a job prints."),
    "cancel": Command("submitting", "cancel", "Stop jobs and delete them, whatever has become of them."),
    "events": Command("following", "events", "Print what becomes of jobs as it comes, until Ctrl-C."),
    "projects": Command("reading", "projects", "List the projects."),
    "completion": Command("completion", "completion", "Print what makes a shell complete commands and flags."),
    "runai": Command("runai", "runai", "The old command line, for scripts that were written for it."),
}


class Commands(click.Group):
    """Loads a command when it is called, and turns what goes wrong into words on standard error and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return the names; see `click.Group.list_commands`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        """Load a command; see `click.Group.get_command`."""
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(import_module(f"job_submission.cli.{found.module}"), found.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the section of the help without loading the commands; see `click.Group.format_commands`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see `click.Group.invoke`."""
        with _ending(ctx):
            return super().invoke(ctx)


@contextmanager
def _ending(ctx: click.Context) -> Iterator[None]:
    from job_submission.errors import JobSubmissionError, NotSendable, Refused, TimedOut

    try:
        yield
    except Refused as error:
        click.echo(f"refused: {error.reason}\n{error}" if error.faults else f"{error.reason}: {error}", err=True)
        ctx.exit(REFUSED if error.status < 500 else FAILED)
    except TimedOut as error:
        click.echo(f"timed out: {error}", err=True)
        ctx.exit(TIMED_OUT)
    except JobSubmissionError as error:
        click.echo(f"error: {error}", err=True)
        ctx.exit(USAGE if isinstance(error, NotSendable) else FAILED)
    except UnicodeEncodeError as error:
        click.echo(f"error: {error.object!r} is no text in the encoding of this locale", err=True)
        ctx.exit(USAGE)
    except BrokenPipeError:
        end_by("SIGPIPE")
    except KeyboardInterrupt:
        end_by(signal.SIGINT.name)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""Where the service is and who asks: --url, --token, --user and --ca-file of each command, else JOBSUB_URL,
    JOBSUB_TOKEN, JOBSUB_USER, JOBSUB_CA_FILE and JOBSUB_PROJECT, else the context of ~/.config/jobsub/config.yaml that
    --context, JOBSUB_CONTEXT or its line `current` names. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 124
    timed out.""",
)
@click.version_option(package_name="job-submission-client", prog_name="jobsub")
def cli() -> None:
    """Submit training jobs, see what becomes of them, stop them."""


def main() -> None:
    """Run the command line."""
    cli(prog_name="jobsub")

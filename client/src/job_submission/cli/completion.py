"""`jobsub completion`."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and flags.

    eval "$(jobsub completion bash)"
    """
    from job_submission.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(found(cli, {}, "jobsub", "_JOBSUB_COMPLETE").source())

"""The flags that every command has: where the service is, and who asks."""

from collections.abc import Callable
from typing import Any

import click

from job_submission.cli.configuration import of_environment
from job_submission.cli.output import FORMATS

Command = Callable[..., Any]

OPTIONS = (
    click.Option(["--url"], help="where the service is, such as http://127.0.0.1:8080"),
    click.Option(["--token"], help="bearer token"),
    click.Option(["-u", "--user"], help="user who asks, where the service verifies nobody"),
    click.Option(["--ca-file"], help="authorities of the service's certificate, a PEM file, instead of the system's"),
    click.Option(["--context"], help="context of the configuration file"),
)


def connected(command: click.Command) -> None:
    """Give a command these flags, and hand it what they and the environment say as `config`."""
    callback = command.callback
    if callback is None:
        raise TypeError(f"{command.name} does nothing")

    def run(**values: Any) -> Any:
        flags = {name: values.pop(name) for name in ("url", "token", "user", "ca_file", "context")}
        for name in ("project", "kafka", "signing_key"):
            if isinstance(values.get(name), str):
                flags[name] = values[name]
        return callback(config=of_environment(**flags), **values)

    command.callback = run
    command.params.extend(OPTIONS)


def formatted(default: str, among: tuple[str, ...] = FORMATS) -> Callable[[Command], Command]:
    """Give a command the flag `-o`."""
    return click.option(
        "-o", "--output", "form", type=click.Choice(among), default=default, show_default=True, help="format"
    )

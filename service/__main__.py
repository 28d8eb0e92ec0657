"""The command line: `job-submission ingress | consumer | all | settings`.

Every setting is an environment variable (`job-submission settings` lists them), so the commands take next to no
options.
"""

import argparse
import sys

import uvloop

from service import __version__, logs, settings_page
from service.bootstrap import serve
from service.settings import FaultySettings, read_settings

ROLES = {
    "ingress": "accept POSTs, produce them to Kafka, answer with the outcome",
    "consumer": "read submissions from Kafka, create their Jobs, write the outcomes",
    "all": "both in one process, for one machine",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    command = argparse.ArgumentParser(
        prog="job-submission",
        description="Hands training jobs to Kubernetes over Kafka, once and surely.",
        epilog="All settings are environment variables: see `job-submission settings`.",
    )
    command.add_argument("--version", action="version", version=f"job-submission {__version__}")
    subcommands = command.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for role, what in ROLES.items():
        subcommands.add_parser(role, help=what, description=f"{what[0].upper()}{what[1:]}, until SIGTERM.")
    subcommands.add_parser("settings", help="print every setting as a Markdown page")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 2 faulty arguments or settings."""
    options = parser().parse_args(arguments)
    if options.command == "settings":
        sys.stdout.write(settings_page.render())
        return 0
    try:
        settings = read_settings()
    except FaultySettings as error:
        for fault in error.faults:
            sys.stderr.write(f"job-submission: {fault}\n")
        return 2
    logs.configure(settings.log)
    ingress, consumer = options.command in ("ingress", "all"), options.command in ("consumer", "all")
    try:
        uvloop.run(serve(settings, ingress=ingress, consumer=consumer))
    except OSError as error:
        logs.log.error("failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

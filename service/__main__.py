"""The command line: `job-submission ingress | consumer | watcher | all | topics | dead-letters`, generated pages and
documents.

Every setting is an environment variable (`job-submission settings` lists them), so the commands take next to no
options.
"""

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import uvloop

from service import __version__
from service.bootstrap import check_topics, serve
from service.commands import pages, parameters_page
from service.commands.dead_letters import dead_letters
from service.documents.asyncapi import asyncapi
from service.documents.json_schemas import schemas
from service.documents.openapi import openapi
from service.settings import FaultySettings, Settings, read_settings
from service.telemetry import logs

ROLES = {
    "ingress": "accept POSTs, produce them to Kafka, answer with the outcome",
    "consumer": "read submissions from Kafka, create their Jobs, write the outcomes",
    "watcher": "watch the Jobs in the cluster, write their events to Kafka",
    "all": "all three in one process, for one machine",
}
ACTIONS = {
    "list": "print a line for each dead letter",
    "show": "print dead letters as JSON, whole",
    "replay": "produce dead letters again, with their identity: what was done before is not done again",
}
PAGES = {
    "settings": ("every setting", pages.settings),
    "metrics": ("every metric", pages.metrics),
    "errors": ("the table of Kubernetes' answers", pages.errors),
    "parameters": ("every parameter and scheduler profile", parameters_page.page),
    "waiting": ("every reason for which a job waits", pages.waiting),
    "answers": ("every refusal, with its reason", pages.answers),
}
"""Pages of the documentation that are written from the code."""
DOCUMENTS: dict[str, tuple[str, Callable[[], Mapping[str, Any]]]] = {
    "openapi": ("the HTTP API as an OpenAPI document", openapi),
    "asyncapi": ("the topics as an AsyncAPI document", asyncapi),
    "schema": ("the JSON Schema of a submission", lambda: schemas()["/schemas/submission.json"]),
}
"""Documents for programs, as the ingress serves them."""


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
    topics = "make the topics that are missing and check those that are there"
    subcommands.add_parser("topics", help=topics, description=f"{topics.capitalize()}; fails where one is faulty.")
    letters = subcommands.add_parser("dead-letters", help="list, show or replay the records that were set aside")
    actions = letters.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, what in ACTIONS.items():
        parser_of_action = actions.add_parser(action, help=what, description=f"{what[0].upper()}{what[1:]}.")
        every = action != "replay"
        parser_of_action.add_argument(
            "names",
            nargs="*" if every else "+",
            metavar="PARTITION-OFFSET",
            help="default: all" if every else "or: all",
        )
    for page, (what, _) in PAGES.items():
        subcommands.add_parser(page, help=f"print {what} as a Markdown page")
    for document, (what, _) in DOCUMENTS.items():
        subcommands.add_parser(document, help=f"print {what}")
    return command


def _spare_the_collector() -> None:
    """Run the garbage collector less often: at the default threshold of 700 objects it takes a tenth of the CPU.

    What has been made so far stays for good and is not examined again (gc.freeze).
    """
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _wait_for_the_cpu() -> None:
    """Take no CPU from another process that has it, as waking up does otherwise (sched(7), SCHED_BATCH on Linux).

    On a busy machine work comes in larger bundles then, for the brokers and the API server beside it too.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it, and nothing depends on it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 2 faulty arguments or settings."""
    options = parser().parse_args(arguments)
    if options.command in PAGES:
        sys.stdout.write(PAGES[options.command][1]())
        return 0
    if options.command in DOCUMENTS:
        sys.stdout.write(orjson.dumps(DOCUMENTS[options.command][1](), option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    try:
        return _run(options, read_settings())
    except FaultySettings as error:
        for fault in error.faults:
            sys.stderr.write(f"job-submission: {fault}\n")
        return 2


def _run(options: argparse.Namespace, settings: Settings) -> int:
    logs.configure(settings.log)
    if options.command == "dead-letters":
        return uvloop.run(dead_letters(settings, options.action, [] if options.names == ["all"] else options.names))
    if options.command == "topics":
        return 0 if uvloop.run(check_topics(settings, job_events=True)) else 1
    _spare_the_collector()
    roles = frozenset(ROLES) - {"all"} if options.command == "all" else frozenset({options.command})
    if "ingress" not in roles:  # whose clients wait for their answers
        _wait_for_the_cpu()
    try:
        uvloop.run(serve(settings, roles))
    except OSError as error:
        logs.log.error("failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

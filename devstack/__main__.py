"""The command line of the local servers: `python -m devstack {run,up,build,python,produce}`."""

import argparse
import asyncio
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from devstack.controlplane import control_plane
from devstack.process import ServerError
from devstack.produce import produce
from devstack.python import PYTHON_VERSION, image_python
from devstack.run import Progress, data_folder, run, terminate_as_interrupt, up


def main(argv: list[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    arguments = _parser().parse_args(argv)
    terminate_as_interrupt()
    try:
        with ExitStack() as stack:
            match arguments.command:
                case "run":
                    run(data_folder(arguments.data_dir, stack))
                case "up":
                    up(data_folder(arguments.data_dir, stack))
                case "build":
                    print(control_plane(Progress()))
                case "python":
                    print(image_python(Progress()))
                case "produce":
                    # aiokafka logs each failed attempt; the error at the end says it once
                    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
                    sent = produce(
                        arguments.body, arguments.bootstrap_servers, user=arguments.user, timeout=arguments.timeout
                    )
                    print(asyncio.run(sent))
    except KeyboardInterrupt:
        return 130
    except ServerError as error:
        print(f"devstack: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devstack", description="The local servers of this repository.")
    commands = parser.add_subparsers(dest="command", required=True)
    run_help = (
        "Kafka, a Kubernetes API and the service, until Ctrl-C. KUBE_CONTEXT=name takes the cluster of that kubeconfig "
        "context; else it is the local control plane if it is built, else an in-memory stand-in (kmock). NODE=real: "
        "the control plane has a real node, so that pods run (as root on Linux, with containerd and runc installed)."
    )
    up_help = (
        "Kafka and the Kubernetes control plane alone, until Ctrl-C; builds the control plane if it is missing. "
        "BROKERS=3: three brokers with three replicas of everything."
    )
    for name, text in (("run", run_help), ("up", up_help)):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--data-dir", type=Path, help="where data and logs go and stay (default: a new folder, removed at the end)"
        )
    build_help = "Build the Kubernetes control plane into the user's cache (about ten minutes on two cores, once)."
    commands.add_parser("build", help=build_help, description=build_help)
    python_help = (
        f"Print the path of a Python {PYTHON_VERSION}, the image's; fetches one into the cache if there is none."
    )
    commands.add_parser("python", help=python_help, description=python_help)
    produce_help = "Send one submission straight to Kafka and print its outcome: HTTP status and body."
    command = commands.add_parser("produce", help=produce_help, description=produce_help)
    command.add_argument("body", help="""the request, such as '{"job": {"project": "team-a", "image": "busybox"}}'""")
    command.add_argument(
        "--bootstrap-servers",
        default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
        help="brokers (default: KAFKA_BOOTSTRAP_SERVERS, else localhost:9092)",
    )
    command.add_argument("--user", help="who submits")
    command.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait (default: 30)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.answers`: whether a create should ask for the whole object back or for its metadata alone.

CPU of the API server, and of this process, for each create, in turns. It decides what `kube.client` sends as `Accept`,
and is no promise of the service: so it is no part of `make bench`.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
from pathlib import Path
from unittest.mock import patch

import uvloop

from bench.cores import family
from bench.create_path import CONCURRENCY, plain_job
from bench.jobs import NAMESPACE
from bench.pairs import in_turns
from bench.stack import Stack, cpu_seconds, running
from service.kube import KubeApi, client
from service.kube.transport import JSON
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics


async def compare(stack: Stack, pairs: int, count: int) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return for each pair the CPU milliseconds a create of API server and client: whole answers, then metadata."""
    server = _api_server()
    api = await KubeApi.connect(KubeSettings(config_file=stack.cluster.kubeconfig), Metrics())

    async def create() -> tuple[float, float]:
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await api.create("jobs", NAMESPACE, plain_job())

        before = cpu_seconds(server), cpu_seconds(os.getpid())
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return tuple(
            (now - then) * 1000 / count
            for now, then in zip(  # type: ignore[return-value] # of two
                (cpu_seconds(server), cpu_seconds(os.getpid())), before, strict=True
            )
        )

    async def create_whole() -> tuple[float, float]:
        with patch.object(client, "_CREATE", JSON):
            return await create()

    await create()
    measured = await in_turns(pairs, create_whole, create)
    await api.close()
    return measured


def _api_server() -> int:
    """Return the process id of the stack's API server."""
    return next(
        pid
        for pid in family(os.getpid())
        if Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].endswith(b"kube-apiserver")
    )


def main() -> None:
    """Measure and print a line a pair, and the medians."""
    parser = argparse.ArgumentParser(prog="bench.answers", description="Compare whole answers with metadata alone.")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--count", type=int, default=2500, help="creates of each side of a pair (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(Path(folder)) as stack:
        measured = uvloop.run(compare(stack, options.pairs, options.count))
    print("CPU ms a create: API server, client; whole answers | metadata alone")
    for (whole, ours), (metadata, our_metadata) in measured:
        print(f"{whole:.3f}, {ours:.3f} | {metadata:.3f}, {our_metadata:.3f}")
    ratios = [statistics.median(with_part[side] / whole[side] for whole, with_part in measured) for side in (0, 1)]
    print(f"median of metadata / whole: API server {ratios[0]:.2f}, client {ratios[1]:.2f}")


if __name__ == "__main__":
    main()

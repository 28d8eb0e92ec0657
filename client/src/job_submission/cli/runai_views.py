"""How the old command line showed jobs. Pure."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from job_submission.cli.output import age, gpus, table
from job_submission.cli.reading import images

COLUMNS = (
    *("NAME", "STATUS", "AGE", "NODE", "IMAGE", "TYPE", "PROJECT", "USER"),
    *("GPUs Allocated (Requested)", "PODs Running (Pending)", "SERVICE URL(S)"),
)


def job_table(jobs: Sequence[Mapping[str, Any]], now: float | None = None) -> str:
    """Return the table of `runai list jobs`, sorted by project and name."""
    ordered = sorted(jobs, key=lambda job: (job["project"], job["name"]))
    return table(COLUMNS, [_row(job, now) for job in ordered])


def _row(job: Mapping[str, Any], now: float | None) -> list[str]:
    nodes, pods = job["nodes"], job["pods"]
    return [
        job["name"],
        job["status"],
        age(job["createdAt"], now),
        "<multiple>" if len(nodes) > 1 else "".join(nodes),
        images(job),
        job["type"],
        job["project"],
        job["user"] or "",
        f"{gpus(job['allocatedGPUs'])} ({gpus(job['requestedGPUs'])})",
        f"{pods['running']} ({pods['pending']})",
        "",
    ]


def description(job: Mapping[str, Any], now: float | None = None) -> dict[str, Any]:
    """Return what `runai describe job -o json` gave; the status in capitals, as scripts compare it.

    An instance is told for each node that the job's pods are on: the state of a job does not name its pods.
    """
    end = job["finishedAt"] or int((time.time() if now is None else now) * 1000)
    status = job["status"].upper()
    return {
        "name": job["name"],
        "namespace": job["namespace"],
        "duration": f"{max(0, end - (job['startedAt'] or job['createdAt'])) // 1000}s",
        "status": status,
        "chiefName": job["name"],
        "instances": [
            {
                "status": status,
                "name": job["name"],
                "age": age(job["createdAt"], now),
                "node": node,
                "chief": number == 0,
            }
            for number, node in enumerate(job["nodes"])
        ],
        "priority": job["type"],
        "project": job["project"],
        "user": job["user"] or "",
        "image": images(job),
        "type": job["type"],
    }

"""How a job is shown: whole, as this API does, or as the old API's editions did (`JobView`).

A whole job has all fields of a `JobView`, spelt and typed as there, so that one answer serves clients of both.
"""

from typing import Any

import orjson

from service.views.job_index import JobEntry


def whole(entry: JobEntry) -> bytes:
    """Return the JSON of a job: its state as on the topic, and over it the fields of a `JobView`."""
    state = orjson.loads(entry.value)
    return orjson.dumps(state | _view(state, state["nodes"]))


def view(entry: JobEntry) -> bytes:
    """Return the JSON of a `JobView`, `nodes` being an array as in the editions under `/api/v1`."""
    state = orjson.loads(entry.value)
    return orjson.dumps(_view(state, state["nodes"]))


def earliest_view(entry: JobEntry) -> bytes:
    """Return the JSON of a `JobView` of the earliest edition, whose `nodes` is one text."""
    state = orjson.loads(entry.value)
    return orjson.dumps(_view(state, ",".join(state["nodes"])))


def _view(state: dict[str, Any], nodes: list[str] | str) -> dict[str, Any]:
    return {
        "id": state["id"],
        "project": state["project"],
        "name": state["name"],
        "status": state["status"],
        "type": state["type"],
        "nodes": nodes,
        "createdAt": state["createdAt"],
        "images": ",".join(state["images"]),
        "user": state["user"] or "",
        "currentAllocatedGPUs": state["allocatedGPUs"],
    }

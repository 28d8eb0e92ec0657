"""Requests of the tests to a real API server, with the warnings it answers."""

import json
import urllib.error
from functools import cache
from typing import Any

from devstack.api import AdminApi


def request(api: AdminApi, method: str, path: str, body: Any = None) -> tuple[Any, list[str]]:
    """One request of an administrator: the answer and the warnings with it; raises HTTPError."""
    answer, headers = api.exchange(method, path, body)
    return answer, headers.get_all("Warning") or []


@cache
def _resources(api: AdminApi, version: str) -> dict[str, tuple[str, bool]]:
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    listed, _ = request(api, "GET", root)
    return {each["kind"]: (each["name"], each["namespaced"]) for each in listed["resources"] if "/" not in each["name"]}


def collection(api: AdminApi, each: dict[str, Any], namespace: str) -> str:
    """The path that objects of this kind are created at."""
    version = each["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural, namespaced = _resources(api, version)[each["kind"]]
    where = f"/namespaces/{each['metadata'].get('namespace', namespace)}" if namespaced else ""
    return f"{root}{where}/{plural}"


def check(api: AdminApi, each: dict[str, Any], namespace: str) -> list[str]:
    """Have the API server check an object as if it were created, unknown fields included; the warnings.

    Raises HTTPError, with the API server's reason as `msg`.
    """
    path = collection(api, each, namespace) + "?dryRun=All&fieldValidation=Strict"
    try:
        _, warnings = request(api, "POST", path, each)
    except urllib.error.HTTPError as error:
        error.msg = json.load(error)["message"]  # what a failing test shows
        raise
    return warnings

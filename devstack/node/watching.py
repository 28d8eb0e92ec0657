"""Follows a collection of the API server: a list, then a watch from there, anew whenever it ends."""

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp

from devstack.node.services import Key

_SECONDS_BETWEEN_TRIES = 0.2


async def follow(
    url: str, token: str, ca_file: str, path: str, objects: dict[Key, dict[str, Any]], changed: Callable[[], None]
) -> None:
    """Keep `objects` as they are on the API server, for ever; `changed` is called after each change.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

    Args:
        url: the API server.
        token: who asks.
        ca_file: the authority of the API server's certificate.
        path: the collection, such as `/api/v1/services`.
        objects: what is there, by (namespace, name).
        changed: what is told of changes.
    """
    context = ssl.create_default_context(cafile=ca_file)
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {token}"},
        connector=aiohttp.TCPConnector(ssl=context),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        read_bufsize=4 * 1024 * 1024,  # an object is one line
        raise_for_status=True,
    ) as session:
        while True:
            try:
                await _list_and_watch(session, path, objects, changed)
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)


async def _list_and_watch(
    session: aiohttp.ClientSession, path: str, objects: dict[Key, dict[str, Any]], changed: Callable[[], None]
) -> None:
    async with session.get(path) as response:
        listed = await response.json()
    objects.clear()
    objects.update({_key(each): each for each in listed["items"]})
    changed()
    version = listed["metadata"]["resourceVersion"]
    async with session.get(path, params={"watch": "true", "resourceVersion": version}) as response:
        async for line in response.content:
            event = json.loads(line)
            if event["type"] == "ERROR":  # usually 410: this version is too old to go on from
                return
            key = _key(event["object"])
            if event["type"] == "DELETED":
                objects.pop(key, None)
            else:
                objects[key] = event["object"]
            changed()


def _key(each: dict[str, Any]) -> Key:
    return each["metadata"]["namespace"], each["metadata"]["name"]

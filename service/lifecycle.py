"""Tasks that run until they end or it is time to stop, and their end."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def ends_before(stopping: asyncio.Event, *tasks: asyncio.Task[Any]) -> bool:
    """Wait until one of the tasks ends or `stopping` is set; return whether a task has ended.

    Raises what a task has ended with. Tasks that are still running go on: see `cancel`.
    """
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((stop, *tasks), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
    ended = [task for task in tasks if task.done()]
    for task in ended:
        task.result()
    return bool(ended)


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end, whatever it is."""
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""The service with a count of its tasks: `python -m bench.soaked ROLE`, written to the file in `SOAK_TASKS`.

What it is to forget it forgets within a minute: its topics have segments of half a minute in place of a day, as brokers
delete whole ones and what a topic holds is remembered, and a watcher looks as often for histories that are over.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final
from unittest.mock import patch

from service import __main__ as command_line
from service import watcher
from service.bootstrap import serve
from service.broker import topics
from service.settings import Settings

FILE: Final = "SOAK_TASKS"
COUNT_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 30


async def _count(file: Path) -> None:
    while True:
        new = file.with_suffix(".new")
        await asyncio.to_thread(new.write_text, str(len(asyncio.all_tasks()) - 1))
        await asyncio.to_thread(new.replace, file)
        await asyncio.sleep(COUNT_SECONDS)


async def _serve(settings: Settings, roles: frozenset[str]) -> None:
    counting = asyncio.create_task(_count(Path(os.environ[FILE])))
    try:
        await serve(settings, roles)
    finally:
        counting.cancel()


if __name__ == "__main__":
    with (
        patch.object(command_line, "serve", _serve),
        patch.object(topics, "DAY_MS", FORGET_SECONDS * 1000),
        patch.object(watcher, "EXPIRE_SECONDS", FORGET_SECONDS),
    ):
        sys.exit(command_line.main())

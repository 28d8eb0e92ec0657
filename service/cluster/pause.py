"""The operator's switch: while a file is there, no new Job is made.

Submissions are accepted and wait as in an outage, and whatever is under way is finished, so that no Job is left without
its claims. In a pod the file is a key of an optional ConfigMap; the kubelet brings it and takes it away.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.cluster.retries import Sleep
from service.telemetry.logs import log

LOOK_SECONDS: Final = 1.0
"""How often the file is looked for."""


class PauseSwitch:
    """Tells whether the file is there. `show` is told 1 for paused and 0 for not, at first and at each change."""

    def __init__(self, file: Path | None, show: Callable[[float], None]) -> None:
        self._file = file
        self._show = show
        self.is_on = False
        show(0)

    async def until_off(self, sleep: Sleep) -> None:
        """Wait while the file is there, by sleeping between two looks at it."""
        while self._look():
            await sleep(LOOK_SECONDS)

    async def watch(self) -> None:
        """Tell of changes while nobody submits anything, until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> bool:
        is_on = self._file is not None and os.path.exists(self._file)  # noqa: PTH110 - Path.exists may raise
        if is_on != self.is_on:
            self.is_on = is_on
            self._show(is_on)
            log.warning("creation-paused" if is_on else "creation-resumed", file=str(self._file))
        return is_on

"""Ends this process as a signal ends one."""

import os
import signal
from typing import NoReturn


def end_by(name: str) -> NoReturn:
    """End by the signal of this name: a shell then sees 128 and its number, and a script ends with it at Ctrl-C.

    Where there is no such signal, as SIGPIPE on Windows, the exit code is 1.
    """
    number = getattr(signal, name, None)
    if number is None:
        os._exit(1)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)

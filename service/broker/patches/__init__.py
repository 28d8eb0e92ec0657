"""Every use of aiokafka's private parts, and every change to its behaviour, by what they are needed for.

Each one names the upstream issue, or says that there is none, and has a test in `tests/unit/test_patches.py` that fails
when upstream has mended it, so that it can go. aiokafka is pinned below 0.15 for them: private parts may change with
any release.
"""

from service.broker.patches import connections, producers
from service.broker.patches.batches import LenientBatch
from service.broker.patches.connections import Deferred
from service.broker.patches.consumers import close, observe_group_responses, rejoin
from service.broker.patches.producers import discard


def install() -> None:
    """Change aiokafka's behaviour, for all clients of the process; doing it again changes nothing."""
    connections.install()
    producers.install()


__all__ = ["Deferred", "LenientBatch", "close", "discard", "install", "observe_group_responses", "rejoin"]

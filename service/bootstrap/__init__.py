"""The one place where the real parts meet: settings in, running roles out, and a clean end on SIGTERM.

`process` starts and ends what all roles share; `ingress`, `consumer` and `watcher` put the parts of one role together.
"""

from service.bootstrap.process import check_topics, serve

__all__ = ["check_topics", "serve"]

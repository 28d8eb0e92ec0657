"""A Kubernetes API that answers every create at once and keeps nothing, for figures about the service alone."""

import contextlib
import json
from collections.abc import Iterator

from bench.processes import small_server
from bench.stack import Stack


@contextlib.contextmanager
def canned_cluster(stack: Stack) -> Iterator[dict[str, str]]:
    """Run it and give the service's settings for it."""
    with small_server("canned", stack.folder / "canned.log") as url:
        file = stack.folder / "canned.kubeconfig"
        file.write_text(
            json.dumps(
                {
                    "current-context": "canned",
                    "contexts": [{"name": "canned", "context": {"cluster": "canned", "user": "canned"}}],
                    "clusters": [{"name": "canned", "cluster": {"server": url}}],
                    "users": [{"name": "canned", "user": {"token": "canned"}}],
                }
            )
        )
        yield {"KUBE_CONFIG_FILE": str(file)}

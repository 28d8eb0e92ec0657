"""Tells one cluster from another, without asking it: for what installations in several clusters must not share."""

from contextlib import suppress
from pathlib import Path

from service.kube.kubeconfig import LoginConfig


def cluster_id(config: LoginConfig) -> bytes:
    """Return what is the same after a restart and another in another cluster.

    A cluster is known by the authority that signs its certificates; where the system's are trusted, by its address.
    """
    if config.authority:
        with suppress(OSError):  # it is about to be replaced; the login tells of it
            return Path(config.authority).read_bytes()
    return config.server.encode()

"""Images of the node's registry: what the document's example asks for, a shell, and a Python with what it is given."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devstack.node.images import Image, pack
from devstack.node.local_node import LocalNode

# in the place of gcr.io/run-ai-demo/quickstart, which trains a small network
_QUICKSTART = """#!/bin/sh
echo "training on $(uname -n); this stands for gcr.io/run-ai-demo/quickstart"
for epoch in $(seq 1 "${EPOCHS:-5}"); do
  echo "epoch $epoch/${EPOCHS:-5}"
  sleep "${SECONDS_AN_EPOCH:-0.2}"
done
echo done
"""


def publish(node: LocalNode) -> None:
    """Let pods have all of these under the names that people write: the example's, `busybox` and `python`."""
    node.publish(quickstart(), "run-ai-demo/quickstart")
    node.publish(shell(), "library/busybox")
    node.publish(python(), "library/python")


def quickstart() -> Image:
    """Prints some epochs and ends; the environment's EPOCHS and SECONDS_AN_EPOCH say how many and how long."""
    return pack(files={"quickstart": _QUICKSTART}, Cmd=["/quickstart"])


def shell() -> Image:
    """`sh` and what scripts of a few lines use."""
    return pack(Cmd=["/bin/sh"])


def python(trees: Mapping[Path, str] | None = None, **config: Any) -> Image:
    """The Python that runs this, with its standard library, on a shell; arguments as of `pack`."""
    library, executable = Path(sysconfig.get_path("stdlib")), Path(sys.executable).resolve()
    wanted = {executable: str(executable), library: str(library), **(trees or {})}
    modules = [each for tree in (library / "lib-dynload", *(trees or {})) for each in [tree, *tree.rglob("*")]]
    return pack(
        linked=[executable, *(module for module in modules if ".so" in module.suffixes)],
        trees=wanted,
        links={"bin/python": str(executable), "bin/python3": str(executable)},
        **config,
    )

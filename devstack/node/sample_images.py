"""Images of the node's registry: what the document's example asks for, a shell, and a Python with what it is given."""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devstack.node.images import PROGRAMS, Image, pack
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


def python(*packages: Path, trees: Mapping[Path, str] | None = None, **config: Any) -> Image:
    """The Python that runs this, with its standard library, on a shell.

    Args:
        packages: folders that go to the path of imports, at their place.
        trees: as of `pack`.
        config: as of `pack`.
    """
    library, executable = Path(sysconfig.get_path("stdlib")), Path(sys.executable).resolve()
    modules = [library / "lib-dynload", *packages]
    return pack(
        programs=PROGRAMS,
        linked=[executable, *(module for folder in modules for module in sorted(folder.rglob("*.so*")))],
        trees={executable: str(executable), library: str(library), **{each: str(each) for each in packages}}
        | dict(trees or {}),
        links={"bin/python3": str(executable)},
        **{
            "Env": ["PATH=/bin:/usr/bin", f"PYTHONPATH={':'.join(map(str, packages))}", "PYTHONDONTWRITEBYTECODE=1"],
            **config,
        },
    )

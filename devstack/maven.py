"""Java libraries with all they need from Maven Central, in the cache."""

from collections.abc import Callable
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL
from jgo.env import EnvironmentBuilder
from jgo.maven import MavenContext

from devstack.cache import cached
from devstack.process import ServerError


def jars(name: str, coordinates: str, what: str, megabytes: int, say: Callable[[str], None]) -> list[Path]:
    """Every jar of `coordinates`, from the cache's folder `name` or from Maven Central; messages call it `what`.

    Raises:
        ServerError: they could not be fetched.
    """

    def resolve(folder: Path) -> None:
        say(f"fetching {what} from Maven Central ({megabytes} MB, once)")
        # a Maven repository of its own, not ~/.m2: jgo takes a file that an interrupted download left behind for whole
        maven = MavenContext(repo_cache=folder / "repository", remote_repos={"central": MAVEN_CENTRAL_URL})
        try:
            EnvironmentBuilder(maven, cache_dir=folder).from_endpoint(coordinates)
        except Exception as error:  # jgo's failures have no common class
            raise ServerError(f"{what} could not be fetched: {error}") from error

    # every jar on the class path: jgo's split into class path and module path leaves the Scala library out
    return sorted(cached(name, resolve).glob("envs/**/*.jar"))

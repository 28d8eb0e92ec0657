"""Artifacts of Maven Central, alone or with all they need."""

from collections.abc import Callable
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from devstack.cache import cached
from devstack.process import ServerError


def jars(name: str, coordinates: list[str], what: str, megabytes: int, say: Callable[[str], None]) -> list[Path]:
    """Every jar that `coordinates` need, from the cache's folder `name` or from Maven Central; messages call it `what`.

    Raises:
        ServerError: they could not be fetched.
    """

    def resolve(folder: Path) -> None:
        say(f"fetching {what} from Maven Central ({megabytes} MB, once)")
        maven = _context(folder)
        try:
            # not jgo's EnvironmentBuilder: to tell modules from other jars it fetches a JDK, and from no registry
            wanted, needed = maven.resolver.resolve([maven.create_dependency(each) for each in coordinates])
            for each in (*wanted, *(each for each in needed if each.scope in ("compile", "runtime"))):
                each.artifact.resolve()
        except Exception as error:  # jgo's failures have no common class
            raise ServerError(f"{what} could not be fetched: {error}") from error

    return sorted(cached(name, resolve).glob("**/*.jar"))


def fetch(coordinate: str, folder: Path, what: str, megabytes: int, say: Callable[[str], None]) -> Path:
    """One artifact without what it needs, into `folder`; messages call it `what`.

    Raises:
        ServerError: it could not be fetched.
    """
    say(f"fetching {what} from Maven Central ({megabytes} MB, once)")
    try:
        return Path(_context(folder).create_dependency(coordinate).artifact.resolve())
    except Exception as error:  # as above
        raise ServerError(f"{what} could not be fetched: {error}") from error


def _context(folder: Path) -> MavenContext:
    # a Maven repository of its own, not ~/.m2: jgo takes a file that an interrupted download left behind for whole
    return MavenContext(repo_cache=folder, remote_repos={"central": MAVEN_CENTRAL_URL})

"""Where the service is and who asks: from flags, else the environment, else a context of the file.

The file is `~/.config/jobsub/config.yaml`, or what `JOBSUB_CONFIG` names:

    current: staging
    contexts:
      staging: {url: "http://jobs.example.com", project: team-a, tokenFile: ~/.config/jobsub/token}
"""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

if TYPE_CHECKING:
    from job_submission import Client

KEYS: Final = ("url", "project", "user", "token", "tokenFile", "kafka")


class Configuration(NamedTuple):
    """What a command needs to know: `token` may be a function that reads it anew."""

    url: str | None
    project: str | None
    user: str | None
    token: str | Callable[[], str] | None
    kafka: str | None

    def __repr__(self) -> str:  # without the token, which tracebacks and debuggers would show
        return f"Configuration(url={self.url!r}, project={self.project!r}, user={self.user!r}, kafka={self.kafka!r})"

    def client(self) -> "Client":
        """Return a client of the service. Raises click.UsageError where nobody says where it is."""
        from job_submission import Client

        if not self.url:
            raise click.UsageError("where is the service? Give --url, JOBSUB_URL or a context (jobsub --help)")
        return Client(self.url, user=self.user, token=self.token)


def configuration(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Configuration:
    """Return what holds: a flag counts before the environment, that before the context.

    Raises click.UsageError for a file that cannot be read, and a context that it does not have.
    """
    context = _context(flags.get("context") or environment.get("JOBSUB_CONTEXT"), environment)

    def one(name: str, *variables: str) -> str | None:
        given = [flags.get(name), *(environment.get(variable) for variable in variables), context.get(name)]
        return next((value for value in given if value), None)

    token: str | Callable[[], str] | None = one("token", "JOBSUB_TOKEN")
    token_file = context.get("tokenFile")
    if token is None and token_file:
        path = Path(token_file).expanduser()

        def read() -> str:
            try:
                return path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise click.UsageError(f"{path} cannot be read: {type(error).__name__}") from None

        token = read
    user = one("user", "JOBSUB_USER")
    if user is None and token is None:
        user = environment.get("USER") or _login_name()
    return Configuration(
        url=one("url", "JOBSUB_URL", "RESEARCHER_SERVICE_URL"),
        project=one("project", "JOBSUB_PROJECT"),
        user=user,
        token=token,
        kafka=one("kafka", "JOBSUB_KAFKA"),
    )


def _login_name() -> str | None:
    import getpass

    with contextlib.suppress(OSError, KeyError):  # a process whose user has no name
        return getpass.getuser()
    return None


def _context(name: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    home = Path(environment.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    path = Path(environment.get("JOBSUB_CONFIG") or home / "jobsub" / "config.yaml")
    if not path.exists():
        if name:
            raise click.UsageError(f"there is no context {name}: {path} does not exist")
        return {}
    import yaml

    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        name = name or content.get("current")
        contexts = content.get("contexts") or {}
        context: dict[str, str] = dict(contexts[name]) if name else {}
    except KeyError:
        raise click.UsageError(f"{path} has no context {name}; it has {', '.join(contexts) or 'none'}") from None
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None
    for key in context:
        if key not in KEYS:
            raise click.UsageError(f"{path}: context {name} has {key}, which is none of {', '.join(KEYS)}")
    return context


def of_environment(**flags: str | None) -> Configuration:
    """Return what holds for this process."""
    return configuration(flags, os.environ)


def required_project(config: Configuration) -> str:
    """Return the project that a command is about. Raises click.UsageError."""
    if not config.project:
        raise click.UsageError("of which project? Give -p, JOBSUB_PROJECT or a context with one")
    return config.project

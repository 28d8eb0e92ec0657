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

KEYS: Final = ("url", "project", "user", "token", "tokenFile", "caFile", "kafka", "signingKey")


class Configuration(NamedTuple):
    """What a command needs to know: `token` may be a function that reads it anew."""

    url: str | None
    project: str | None
    user: str | None
    token: str | Callable[[], str] | None
    kafka: str | None
    ca_file: Path | None = None
    signing_key: Path | None = None

    def __repr__(self) -> str:  # without the token, which tracebacks and debuggers would show
        return f"Configuration(url={self.url!r}, project={self.project!r}, user={self.user!r}, kafka={self.kafka!r})"

    def client(self) -> "Client":
        """Return a client of the service, whose first failure of each request is told on standard error.

        Raises click.UsageError where nobody says where it is, or what is said of addresses and files is no good.
        """
        from job_submission import Client
        from job_submission.cli.output import say_what_is_logged

        if not self.url:
            raise click.UsageError("where is the service? Give --url, JOBSUB_URL or a context (jobsub --help)")
        say_what_is_logged()
        try:
            return Client(self.url, user=self.user, token=self.token, ca_file=self.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise click.UsageError(f"{self.ca_file} holds no certificates that can be read: {error}") from None
        except (ValueError, ImportError) as error:  # an address, or a proxy of the environment
            raise click.UsageError(str(error)) from None


def configuration(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Configuration:
    """Return what holds: a flag counts before the environment, that before the context.

    Raises click.UsageError for a file that cannot be read, and a context that it does not have.
    """
    context = _context(flags.get("context") or environment.get("JOBSUB_CONTEXT"), environment)

    def one(name: str, *variables: str, key: str | None = None) -> str | None:
        given = [flags.get(name), *(environment.get(variable) for variable in variables), context.get(key or name)]
        return next((value for value in given if value), None)

    def file(name: str, variable: str, key: str) -> Path | None:
        path = one(name, variable, key=key)
        return None if path is None else _expanded(path)

    given = one("token", "JOBSUB_TOKEN")
    token: str | Callable[[], str] | None = given and given.strip()  # of a file there is often a newline behind it
    token_file = context.get("tokenFile")
    if token is None and token_file:
        path = _expanded(token_file)

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
        kafka=None if flags.get("kafka") == "" else one("kafka", "JOBSUB_KAFKA"),
        ca_file=file("ca_file", "JOBSUB_CA_FILE", "caFile"),
        signing_key=file("signing_key", "JOBSUB_SIGNING_KEY", "signingKey"),
    )


def _expanded(path: str) -> Path:
    """Return a path whose `~` is the home of the user. Raises click.UsageError where there is no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise click.UsageError(f"{path}: this user has no home directory; set HOME, or give the whole path") from None


def _login_name() -> str | None:
    import getpass

    with contextlib.suppress(OSError, KeyError):  # a process whose user has no name
        return getpass.getuser()
    return None


def _context(name: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    path = _config_file(environment)
    try:
        text = path.read_text(encoding="utf-8") if path else None
    except (FileNotFoundError, NotADirectoryError):
        text = None
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None
    if text is None:
        if name:
            raise click.UsageError(f"there is no context {name}: {path or '~/.config/jobsub'} does not exist")
        return {}
    import yaml

    try:
        content: Any = yaml.safe_load(text) or {}
        name = name or content.get("current")
        contexts = content.get("contexts") or {}
        context: dict[str, str] = dict(contexts[name]) if name else {}
    except KeyError:
        raise click.UsageError(f"{path} has no context {name}; it has {', '.join(contexts) or 'none'}") from None
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None
    for key, value in context.items():
        if key not in KEYS:
            raise click.UsageError(f"{path}: context {name} has {key}, which is none of {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise click.UsageError(f"{path}: {key} of context {name} must be text, in quotes if need be")
    return context


def _config_file(environment: Mapping[str, str]) -> Path | None:
    """Return where the contexts are, or would be; None for a user without a home."""
    if environment.get("JOBSUB_CONFIG"):
        return _expanded(environment["JOBSUB_CONFIG"])
    home = Path(environment.get("XDG_CONFIG_HOME") or "~/.config")
    with contextlib.suppress(RuntimeError):
        return home.expanduser() / "jobsub" / "config.yaml"
    return None


def of_environment(**flags: str | None) -> Configuration:
    """Return what holds for this process."""
    return configuration(flags, os.environ)


def required_project(config: Configuration) -> str:
    """Return the project that a command is about. Raises click.UsageError."""
    if not config.project:
        raise click.UsageError("of which project? Give -p, JOBSUB_PROJECT or a context with one")
    return config.project

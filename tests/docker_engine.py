"""The Docker engine of the tests: whether there is one here, its images, and who tidies up after a killed session."""

import contextlib
import gc
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import docker  # type: ignore[import-untyped] # the Docker client ships no type information
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import Reaper
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.labels import SESSION_ID

Say = Callable[[str], None]

_HERE = {"localhost", "127.0.0.1", "::1"}
_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_OF_SILENCE = 60.0  # of a pull, before it is given up


class DockerFailed(Exception):
    """The Docker engine did not do what was asked of it."""


def docker_has(image: str, say: Say) -> bool:
    """Whether a Docker engine on this machine answers at once and has, or can get, the image; `say` hears why not."""
    with quiet():
        try:
            # testcontainers' own client, as it starts the containers: it goes by the Docker context too
            with contextlib.closing(DockerClient(timeout=3).client) as engine:
                engine.ping()
            client = DockerClient(timeout=60)
            with contextlib.closing(client.client) as engine:
                if client.host() not in _HERE:
                    # what it publishes would have to be open to the network, and nothing here needs a password
                    raise DockerFailed(f"its engine is not on this machine but on {client.host()}")
                _ensure_image(engine, image, say)
        except Exception as error:  # noqa: BLE001 - whatever it is, there is a way without Docker
            if "FileNotFoundError" not in str(error):  # no socket: no Docker here, and nothing to report
                say(f"no {image} from Docker: {one_line(error)}")
            return False
    return True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The Docker client may leave sockets to the garbage collector in here, though warnings are errors in the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            gc.collect()


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(getattr(error, "explanation", None) or error or type(error).__name__).split())[:300]


def ensure_reaper(say: Say) -> None:
    """Start testcontainers' reaper, which removes the containers of a killed session; if it fails, do without."""
    if testcontainers_config.ryuk_disabled:
        return
    image = testcontainers_config.ryuk_image
    try:
        with contextlib.closing(DockerClient(timeout=60).client) as engine:
            _ensure_image(engine, image, say)
        Reaper.get_instance()
    except Exception as error:  # noqa: BLE001 - whatever it is, the tests can do without
        testcontainers_config.ryuk_disabled = True
        say(f"containers of a session that is killed will stay, as {image} does not run: {one_line(error)}")
        with contextlib.suppress(Exception):  # what there is of it
            Reaper.delete_instance()
        with contextlib.suppress(Exception), contextlib.closing(DockerClient(timeout=60).client) as engine:
            engine.containers.get(f"testcontainers-ryuk-{SESSION_ID}").remove(force=True)


def _ensure_image(engine: Any, image: str, say: Say) -> None:
    try:
        engine.images.get(image)
    except docker.errors.NotFound:
        _pull(engine, image, say)


def _pull(engine: Any, image: str, say: Say) -> None:
    """Pull an image; `say` hears every few seconds how far it is."""
    say(f"pulling {image} with Docker (once)")
    layers: dict[str, tuple[int, int]] = {}
    started = told = time.monotonic()
    for event in _pull_events(engine, image):
        if "error" in event:
            raise DockerFailed(event["error"])
        if event.get("status") == "Downloading":
            size = event["progressDetail"]
            layers[event["id"]] = (size.get("current", 0), size.get("total", 0))
        if (now := time.monotonic()) - told > _SECONDS_BETWEEN_LINES:
            told = now
            done, total = (sum(part[i] for part in layers.values()) / 1e6 for i in (0, 1))
            say(f"  {now - started:4.0f} s  {done:.0f} of {total:.0f} MB")


def _pull_events(engine: Any, image: str) -> Iterator[dict[str, Any]]:
    """What the engine says while it pulls; an empty word for each second of silence, and an end to a long one."""
    events: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()

    def feed() -> None:
        repository, _, tag = image.rpartition(":")
        try:
            for event in engine.api.pull(repository, tag, stream=True, decode=True):
                events.put(event)
            events.put(None)
        except Exception as error:  # noqa: BLE001 - raised by the one who waits
            events.put(error)

    # a thread, as the client waits for an engine's next word without end
    threading.Thread(target=feed, daemon=True).start()
    heard = time.monotonic()
    while True:
        try:
            event = events.get(timeout=1)
        except queue.Empty:
            if time.monotonic() - heard > _SECONDS_OF_SILENCE:
                raise DockerFailed(f"nothing came for {_SECONDS_OF_SILENCE:.0f} s") from None
            yield {}
            continue
        heard = time.monotonic()
        if event is None:
            return
        if isinstance(event, Exception):
            raise event
        yield event

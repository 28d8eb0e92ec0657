"""A Docker engine of which anything can go wrong: as much of its HTTP API as the tests' servers ask of one."""

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeEngine:
    """What it has and how it answers.

    Attributes:
        images: the images it has.
        pull: its answer to a pull: a status with a message, or the events of a pull that begins; a number is a pause.
        log: what a container writes before it ends with exit code 1; None for one that runs and writes nothing.
        removed: how many containers were removed.
    """

    images: set[str] = field(default_factory=set)
    pull: tuple[int, str] | Iterable[dict[str, Any] | float] = (404, "pull access denied")
    log: str | None = None
    removed: int = 0
    address: str = ""


class _Server(ThreadingHTTPServer):
    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Nothing beside the tests' own output."""

    def do_GET(self) -> None:
        engine = self.server.engine
        path = re.sub(r"^/v[\d.]+|\?.*$", "", self.path)
        image = path.removeprefix("/images/").removesuffix("/json")
        status = "running" if engine.log is None else "exited"
        answers: dict[str, Any] = {
            "/version": {"ApiVersion": "1.44"},
            "/_ping": b"OK",
            f"/images/{image}/json": {"Id": image} if image in engine.images else None,
            "/containers/c1/json": {"Id": "c1", "Config": {"Tty": True}, "State": {"Status": status}},
            "/containers/c1/logs": (engine.log or "").encode(),
        }
        if (answer := answers.get(path)) is None:
            self._answer(404, {"message": f"No such thing: {path}"})
        else:
            self._answer(200, answer)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path:
            self._answer(201, {"Id": "c1"})
        elif "/images/create" in self.path:
            self._pull(self.server.engine.pull)
        else:
            self._answer(204)

    def do_DELETE(self) -> None:
        self.server.engine.removed += 1
        self._answer(204)

    def _answer(self, status: int, body: Any = None) -> None:
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _pull(self, answer: tuple[int, str] | Iterable[dict[str, Any] | float]) -> None:
        if isinstance(answer, tuple):
            self._answer(answer[0], {"message": answer[1]})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in answer:
            if isinstance(event, dict):
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            else:
                time.sleep(event)
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def running(engine: FakeEngine) -> Iterator[FakeEngine]:
    with _Server(engine) as server:
        engine.address = f"tcp://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield engine
        server.shutdown()
        thread.join()

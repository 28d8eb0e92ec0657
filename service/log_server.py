"""The watcher's own port: logs of jobs, for the ingress alone.

Whoever asks needs the secret that both read from a file. Who the user is and what they may read, the ingress has asked.
"""

import hmac
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.api import job_logs, middlewares
from service.api.job_logs import JobLogs, LogSource
from service.api.refusals import Refusals
from service.api.remote_logs import RemoteLogs, read_token
from service.api.routes import Handler
from service.api.server import Port, listening
from service.settings import FaultySettings, JobLogsSettings, Settings
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.metrics import Metrics
from service.telemetry.refusals import RefusalLog

USAGE = f"GET the logs of a job from {job_logs.PATH}"


def remote_logs_of(settings: JobLogsSettings) -> RemoteLogs | None:
    """Return the logs of a watcher elsewhere, None where the settings name none. Raises FaultySettings."""
    return None if settings.url is None else RemoteLogs(settings.url, _checked(settings.token_file))


def serving_logs(source: LogSource, settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[int]:
    """Serve logs to the ingress while the block runs. Raises FaultySettings, OSError where the port is taken."""
    logs, http = settings.job_logs, settings.http
    port = Port("logs", "JOB_LOGS_", logs.host, logs.port, http.max_connections, http.max_header_bytes)
    refusals = Refusals(RefusalLog(http.refusals_logged_per_second), metrics, uses_tokens=True)
    app = log_app(JobLogs(source, logs.max_streams), _checked(logs.token_file), refusals)
    return listening(port.bind(), port, app, refusals.unrouted, metrics)


def _checked(token_file: Path | None) -> Path:
    """Return the file of the secret, once it has been read. Raises FaultySettings."""
    try:
        if token_file is None:
            raise ValueError("must name the file of the secret, as JOB_LOGS_URL is set")
        read_token(token_file)
    except (OSError, ValueError) as error:
        raise FaultySettings([f"JOB_LOGS_TOKEN_FILE: {error}"]) from None
    return token_file


def log_app(logs: JobLogs, token_file: Path, refusals: Refusals) -> web.Application:
    """Return the application of the port."""
    app = web.Application(middlewares=[middlewares.errors_as_json(refusals, USAGE), _known(token_file)])
    app.router.add_get(job_logs.PATH, logs.get)
    app.on_shutdown.append(logs.end)
    return app


def _known(token_file: Path) -> Middleware:
    """Refuse who does not have the secret; everybody, where it cannot be read."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            token = read_token(token_file)
        except (OSError, ValueError) as error:
            raise SubmissionRejected(rejections.logs_unavailable(str(error))) from None
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
            raise SubmissionRejected(rejections.unauthorized("the shared secret is missing or another one"))
        return await handler(request)

    return middleware

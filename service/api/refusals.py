"""Answers what is refused, and leaves a line about it: who asked, for what, and why not."""

from aiohttp import web

from service.api.responses import error_response
from service.api.routes import PRINCIPAL
from service.submission.rejection import Rejection
from service.telemetry.metrics import Metrics
from service.telemetry.refusals import RefusalLog


class Refusals:
    """Makes the response of each refusal of the ingress itself; outcomes are the consumer's, which logs them."""

    def __init__(self, trail: RefusalLog, metrics: Metrics, *, uses_tokens: bool) -> None:
        self._trail = trail
        self._metrics = metrics
        self._uses_tokens = uses_tokens

    def response(self, request: web.BaseRequest, rejection: Rejection, retry_after: int | None = None) -> web.Response:
        """Answer a request; `retry_after` is in how many seconds another one has a chance, where that is known."""
        principal = request.get(PRINCIPAL)
        self._trail.write(
            rejection.reason,
            status=rejection.status,
            method=request.method,
            path=request.path,
            peer=peer(request),
            forwarded_for=request.headers.get("X-Forwarded-For"),
            user=principal.user if principal else None,
            claimed_user=None if principal else request.headers.get("RA-USER"),
            message=rejection.message,
        )
        return error_response(rejection, retry_after, uses_tokens=self._uses_tokens)

    def unrouted(self, request: web.BaseRequest, rejection: Rejection) -> web.Response:
        """Answer what no middleware has seen: malformed HTTP, or an expectation that cannot be met."""
        self._metrics.http_requests.labels(method="none", route="none", code=str(rejection.status)).inc()
        return self.response(request, rejection)


def peer(request: web.BaseRequest) -> str | None:
    """Return the address that a request came from: a proxy's, where there is one in front."""
    address = request.remote
    return address.removeprefix("::ffff:") if address else None

"""`GET /api/submissions/<id>`: what became of a submission."""

import asyncio
from typing import Final

from aiohttp import web

from service.api.responses import json_response, outcome_response
from service.api.routes import RIGHTS
from service.broker import BrokerUnavailable
from service.submission import rejections
from service.submission.identity import is_submission_key
from service.submission.outcomes import Outcome
from service.submission.rejection import Rejection, SubmissionRejected
from service.telemetry.logs import escape
from service.views.duplicates import DuplicateWindow
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters

PATH: Final = "/api/submissions/{id}"

FOLLOW_SECONDS: Final = 0.1
"""How far the reader of the outcomes may be behind a commit."""


def location(key: str) -> str:
    """Return the path of the submission with this key."""
    return PATH.format(id=key)


class Submissions:
    """Tells what became of submissions, from what this process knows of the topics."""

    def __init__(self, window: DuplicateWindow, pending: PendingSubmissions, waiters: Waiters) -> None:
        self._window = window
        self._pending = pending
        self._waiters = waiters

    async def get(self, request: web.Request) -> web.Response:
        """Answer 200 with the outcome, 202 while it is pending.

        Raises SubmissionRejected: 404 if it is unknown or, where users are verified, another user's; 503 while nobody
        can tell.
        """
        user, key = request[RIGHTS].only_own(), request.match_info["id"]
        if not is_submission_key(key):
            raise SubmissionRejected(unknown(key))
        try:
            outcome = await self._window.find(key)
            if outcome is None and await self._is_pending(key, user):
                return json_response(
                    202, {"status": 202, "message": "the outcome is not known yet"}, {"Retry-After": "1"}
                )
            outcome = outcome or await self._just_finished(key)
        except BrokerUnavailable as error:
            raise SubmissionRejected(
                rejections.not_accepted("Kafka cannot be asked at the moment", str(error))
            ) from None
        if outcome is None and not self._waiters.caught_up:
            raise SubmissionRejected(
                rejections.not_accepted("the outcomes of the past are still being read: ask again")
            )
        if outcome is None or (user is not None and outcome.user != user):
            raise SubmissionRejected(unknown(key))
        return outcome_response(outcome, status=200)

    async def _is_pending(self, key: str, user: str | None) -> bool:
        """Tell whether a submission waits for its outcome, and is of this user if one is given."""
        return self._waiters.expects(key, user) or await self._pending.holds(key.encode(), user)

    async def _just_finished(self, key: str) -> Outcome | None:
        """Look once more: the outcome may have come, and its record been committed, between the two questions."""
        await asyncio.sleep(FOLLOW_SECONDS)
        return await self._window.find(key) or await self._window.find_aside(key)


def unknown(key: str) -> Rejection:
    """Return the answer where no submission has a key, or none that the sender may know of."""
    return rejections.unknown_submission(escape(key[:100]))

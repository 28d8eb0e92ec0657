"""`GET /api/submissions/<id>`: what became of a submission."""

import asyncio
import time
from typing import Any, Final

from aiohttp import web

from service.api.responses import json_response, outcome_response
from service.api.routes import RIGHTS
from service.auth.authorisation import Rights
from service.broker import BrokerUnavailable
from service.submission import rejections
from service.submission.identity import is_submission_key
from service.submission.outcomes import Outcome, project_of
from service.submission.rejection import Rejection, SubmissionRejected
from service.submission.waiting_in_log import why_on_the_topic
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

        Raises SubmissionRejected: 404 if it is unknown or, where users are verified, another user's or of a project
        whose jobs they may not see (any more); 503 while nobody can tell.
        """
        rights, key = request[RIGHTS], request.match_info["id"]
        user = rights.only_own()
        if not is_submission_key(key):
            raise SubmissionRejected(unknown(key))
        try:
            outcome = await self._window.find(key)
            pending = await self._pending_as(key, rights) if outcome is None else None
            if pending is not None:
                return json_response(202, pending, {"Retry-After": "1"})
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
        if user is not None:
            await _require(rights, project_of(outcome), key)
        return outcome_response(outcome, status=200)

    async def _pending_as(self, key: str, rights: Rights) -> dict[str, Any] | None:
        """Return the answer for a submission that waits for its outcome, None where there is none for the sender.

        It has where the submission waits, unless its record has not been written yet. Raises BrokerUnavailable,
        SubmissionRejected.
        """
        user = rights.only_own()
        is_expected = self._waiters.expects(key, user)
        try:
            place = await self._pending.place(key, user)
        except BrokerUnavailable:
            if not is_expected:
                raise
            place = None
        body: dict[str, Any] = {"status": 202, "message": "the outcome is not known yet"}
        if place is None:
            return body if is_expected else None
        if user is not None:
            await _require(rights, await self._pending.project_of(key, user), key)
        now = int(time.time() * 1000)
        return body | {
            "position": place.ahead + 1,
            "ageSeconds": max(0, now - place.produced_at) // 1000,
            "waiting": why_on_the_topic(place, now).model_dump(mode="json", by_alias=True),
        }

    async def _just_finished(self, key: str) -> Outcome | None:
        """Look once more: the outcome may have come, and its record been committed, between the two questions."""
        await asyncio.sleep(FOLLOW_SECONDS)
        return await self._window.find(key) or await self._window.find_aside(key)


async def _require(rights: Rights, project: str | None, key: str) -> None:
    """Return where the sender may see jobs of a project; None is one that is not known (yet), of their own submission.

    Raises SubmissionRejected (404, or 503 while that cannot be found out).
    """
    if project is not None and project not in await rights.among((project,)):
        raise SubmissionRejected(unknown(key))


def unknown(key: str) -> Rejection:
    """Return the answer where no submission has a key, or none that the sender may know of."""
    return rejections.unknown_submission(escape(key[:100]))

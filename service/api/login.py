"""`GET /api/v1/login`: how users are known here, and where a browser can log them in."""

from typing import Final

from aiohttp import web

from service.api.responses import json_response
from service.auth.browser_login import BrowserLogin

PATH: Final = "/api/v1/login"


class Login:
    """Tells how to log in; nothing of it is a secret, and who asks has not logged in yet."""

    def __init__(self, login: BrowserLogin) -> None:
        self._login = login

    async def get(self, _request: web.Request) -> web.Response:
        """Answer the way. Raises SubmissionRejected (503) while the issuer does not say it."""
        return json_response(200, self._login.document())

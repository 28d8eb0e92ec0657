"""An admission webhook on a port of this machine."""

import ssl
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme
from aiohttp import web


@asynccontextmanager
async def denying_webhook(authority: trustme.CA) -> AsyncIterator[str]:
    """A webhook that denies everything, in the words of the path it is asked at."""

    async def deny(request: web.BaseRequest) -> web.StreamResponse:
        review = await request.json()
        words = urllib.parse.unquote(request.path.removeprefix("/"))
        response = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": words, "code": 403}}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    runner = web.ServerRunner(web.Server(deny))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

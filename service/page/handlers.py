"""Answers with the files of the page: `/` for browsers, `/docs`, and what the two load from `/page/`."""

from typing import Final

from aiohttp import web

from service.page.files import content_security_policy, page_files

_HEADERS: Final = {
    "Content-Security-Policy": content_security_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a browser asks each time whether what it has is still right
    "Vary": "Accept",
}


def wants_page(request: web.Request) -> bool:
    """Tell whether a person asks by a browser, which names HTML among what it accepts; programs do not."""
    return "text/html" in request.headers.get("Accept", "")


async def get_file(request: web.Request) -> web.Response:
    """Answer a file of the page, 304 where the browser has it already. Raises web.HTTPNotFound for another name."""
    return _answer(request, request.match_info["file"])


async def get_docs(request: web.Request) -> web.Response:
    """Answer the interactive documentation."""
    return _answer(request, "docs.html")


def get_page(request: web.Request, token_origin: str | None) -> web.Response:
    """Answer the page, which may also ask the origin where it gets tokens, if there is one."""
    response = _answer(request, "index.html")
    if token_origin is not None:
        response.headers["Content-Security-Policy"] = content_security_policy(token_origin)
    return response


def _answer(request: web.Request, name: str) -> web.Response:
    file = page_files().get(name)
    if file is None:
        raise web.HTTPNotFound
    headers = _HEADERS | {"ETag": file.etag}
    if request.headers.get("If-None-Match") == file.etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.content, content_type=file.media_type, charset="utf-8", headers=headers)

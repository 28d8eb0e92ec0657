"""Every route, asked by everybody who must not be let in: what each is answered, as a table."""

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp

from service.api.routes import PUBLIC, Route
from service.auth.authorisation import Verb

NOTHING = "none"
"""An answer of 200 to somebody who is known and has no rights: a list of nothing, or nothing done."""

LISTENS_SECONDS = 0.3
"""How long an answer that does not end is listened to."""


@dataclass(frozen=True)
class Stranger:
    """Somebody who must not be let in: what he sends, and the statuses that keep him out.

    `may_ask` is for one who is known and has no rights: lists are answered, with nothing in them, and of what is asked
    of several jobs nothing is done.
    """

    name: str
    headers: tuple[tuple[str, str], ...]
    statuses: frozenset[int] = frozenset({401})
    may_ask: bool = False


def bearer(token: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"), *more)


@dataclass
class Matrix:
    """Asks the routes of a service about a job: how it was submitted, and the id of its submission."""

    url: str
    routes: tuple[Route, ...]
    job: dict[str, str]
    submission: str
    told: list[str] = field(default_factory=list)
    """All that was answered."""

    async def ask(self, route: Route, headers: Iterable[tuple[str, str]]) -> tuple[int, str]:
        """The status, and what there is of the body."""
        parts = self.job | {"id": self.submission}
        path = re.sub(r"\{([^}]+)\}", lambda part: parts[part[1]], route.path)
        content = {}
        if route.method == "POST":
            content["data"] = json.dumps({"job": self.job})
        elif route.method == "DELETE" and path == route.path:
            content["data"] = json.dumps([{"project": self.job["project"], "name": self.job["name"]}])
        sent = [*headers, ("Content-Type", "application/json"), ("Prefer", "respond-async")]
        async with (
            aiohttp.ClientSession() as http,
            http.request(route.method, self.url + path, headers=sent, **content) as response,
        ):
            body = b""
            try:
                async with asyncio.timeout(LISTENS_SECONDS if "Content-Length" not in response.headers else 10):
                    async for chunk in response.content.iter_any():
                        body += chunk
            except TimeoutError:
                pass
            self.told.append(f"{dict(response.headers)} {body.decode()}")
            return response.status, body.decode()

    async def rows(self, strangers: Iterable[Stranger], secret: str) -> dict[str, dict[str, str]]:
        """What everybody is answered by each route that is not public, a word for whatever lets him in.

        `secret` is a text that an answer of somebody else's has.
        """
        rows: dict[str, dict[str, str]] = {}
        for stranger in strangers:
            row = rows[stranger.name] = {}
            for route in self.routes:
                if route.needs is PUBLIC:
                    continue
                status, body = await self.ask(route, stranger.headers)
                kept_out = status in stranger.statuses
                gets_nothing = status == 200 and stranger.may_ask and _is_nothing(route, body, secret)
                said = NOTHING if gets_nothing else str(status)
                row[f"{route.method} {route.path}"] = said if kept_out or gets_nothing else f"{said} LET IN"
        return rows


def _is_nothing(route: Route, body: str, secret: str) -> bool:
    """Whether an answer to somebody without rights tells and does nothing."""
    if route.needs is Verb.LIST:
        return secret not in body
    if route.needs is Verb.DELETE:
        return all(result["error"]["status"] == 403 and not result.get("ok") for result in json.loads(body)["data"])
    return False


def table(title: str, rows: dict[str, dict[str, str]]) -> str:
    """The matrix for people: routes by number, a line for each stranger."""
    routes = list(next(iter(rows.values())))
    width = max(map(len, rows))
    cell = max(len(said) for row in rows.values() for said in row.values())
    lines = [
        f"{title} ({NOTHING}: 200, with nothing shown or done)",
        *(f"  [{number}] {route}" for number, route in enumerate(routes, start=1)),
    ]
    lines.append(" " * width + "".join(f"  {f'[{number}]':>{cell}}" for number in range(1, len(routes) + 1)))
    lines += [f"{name:{width}}" + "".join(f"  {row[route]:>{cell}}" for route in routes) for name, row in rows.items()]
    return "\n".join(lines)

"""Every route, asked by everybody who must not be let in: what each is answered, as a table."""

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp

from service.api.routes import PUBLIC, Route
from service.auth.authorisation import Verb

LISTENS_SECONDS = 0.3
"""How long an answer that does not end is listened to."""


@dataclass(frozen=True)
class Stranger:
    """Somebody who must not be let in: what he sends, and the statuses that keep him out.

    `may_ask` is for one who is known and has no rights: lists are answered, with nothing in them.
    """

    name: str
    headers: tuple[tuple[str, str], ...]
    statuses: frozenset[int] = frozenset({401})
    may_ask: bool = False


def bearer(token: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"), *more)


@dataclass
class Matrix:
    """Asks the routes of a service; `known` stands for whatever a path has in braces, `job` is what is submitted."""

    url: str
    routes: tuple[Route, ...]
    job: dict[str, str]
    known: str
    told: list[str] = field(default_factory=list)
    """All that was answered."""

    async def ask(self, route: Route, headers: Iterable[tuple[str, str]]) -> tuple[int, str]:
        """The status, and what there is of the body."""
        path = re.sub(r"\{[^}]+\}", self.known, route.path)
        content = {"data": json.dumps({"job": self.job})} if route.method == "POST" else {}
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
                sees_nothing = stranger.may_ask and route.needs is Verb.LIST and status == 200 and secret not in body
                said = "200 nothing" if sees_nothing else str(status)
                row[f"{route.method} {route.path}"] = said if kept_out or sees_nothing else f"{said} LET IN"
        return rows


def table(title: str, rows: dict[str, dict[str, str]]) -> str:
    """The matrix for people: routes by number, a line for each stranger."""
    routes = list(next(iter(rows.values())))
    width = max(map(len, rows))
    cell = max(len(said) for row in rows.values() for said in row.values())
    lines = [title, *(f"  [{number}] {route}" for number, route in enumerate(routes, start=1))]
    lines.append(" " * width + "".join(f"  {f'[{number}]':>{cell}}" for number in range(1, len(routes) + 1)))
    lines += [f"{name:{width}}" + "".join(f"  {row[route]:>{cell}}" for route in routes) for name, row in rows.items()]
    return "\n".join(lines)

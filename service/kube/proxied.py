"""Requests through a proxy that the kubeconfig names: aiohttp knows how to ask one for a tunnel.

Part of `transport`, which makes all others by `http1`.
"""

import aiohttp
from yarl import URL

from service.errors import LeaseLost
from service.kube.auth import Access
from service.kube.errors import Answer, unreachable
from service.kube.fencing import Confirm, FencedBody
from service.kube.http1 import KEEP_ALIVE_SECONDS


class ProxiedClient:
    """Makes requests through proxies; end it with `close`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def exchange(
        self,
        access: Access,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        confirm: Confirm | None,
    ) -> Answer:
        """Make one request and read the whole answer. Raises ApiUnreachable, LeaseLost."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # no limit: `cluster.concurrency` bounds how many requests are in flight
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        data = FencedBody(body, confirm) if body is not None and confirm else body
        try:
            async with self._session.request(
                method,
                URL(access.server + path, encoded=True),
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None),
                allow_redirects=False,
                ssl=access.tls,
                server_hostname=access.tls_server_name,
                proxy=access.proxy,
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, LeaseLost):
                raise error.__cause__ from None
            raise unreachable(error) from error

"""What a disturbance does to everybody else's POSTs: their p99 beside it over their p99 without, in turns."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final

from bench.figures import Figure, figure
from bench.jobs import BODY, USER
from bench.load import CONNECTIONS, HttpLoad, Load
from bench.pairs import Options, in_turns
from bench.stack import Stack

LOAD: Final = 0.4
"""Share of the capacity at which the others POST, where nothing else is said."""

Disturbance = Callable[[str, HttpLoad], AbstractAsyncContextManager[None]]
"""Disturbs while its block runs; it gets the URL of the ingress, and the load's client of its jobs."""


async def p99_beside(
    name: str,
    stack: Stack,
    options: Options,
    seconds: float,
    disturbed: Disturbance,
    environment: Mapping[str, str] | None = None,
    share: float = LOAD,
) -> list[Figure]:
    """Return the figure `name`; each measurement takes `seconds`, times the options' scale.

    The others POST at this `share` of the capacity.
    """
    seconds = max(1.0, seconds * options.scale)
    async with stack.both(environment or stack.environment()) as (ingress, _):
        load = HttpLoad(ingress.jobs)
        request = load.request(BODY, RA_USER=USER)
        await load.closed(request, options.scaled(1000), CONNECTIONS)
        capacity = (await load.closed(request, options.scaled(2000), CONNECTIONS)).expect(200).rate

        async def others() -> Load:
            return (await load.open(request, capacity * share, seconds)).expect(200)

        async def others_beside() -> Load:
            async with disturbed(ingress.url, load):
                return await others()

        pairs = await in_turns(options.pairs, others, others_beside)
        load.close()
    return [
        figure(
            name,
            [beside.quantile(0.99) / alone.quantile(0.99) for alone, beside in pairs],
            alone=[alone.quantile(0.99) for alone, _ in pairs],
            beside=[beside.quantile(0.99) for _, beside in pairs],
        )
    ]

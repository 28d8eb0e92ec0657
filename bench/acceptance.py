"""P5: how many POSTs a second are accepted (202, safe in Kafka), beside a bare aiohttp server that just says 202."""

from bench.figures import Figure, figure
from bench.http_load import HttpLoad
from bench.jobs import BODY, USER
from bench.options import Options
from bench.pairs import in_turns
from bench.processes import small_server
from bench.stack import Stack

CONNECTIONS = 64


async def compare(stack: Stack, options: Options) -> list[Figure]:
    """Measure P5; no consumer runs."""
    count = options.scaled(5000)
    with small_server("bare", stack.folder / "bare.log") as url:
        async with stack.service("ingress", stack.environment()) as ingress:
            bare, ours = HttpLoad(f"{url}/api/job"), HttpLoad(ingress.url)

            async def accepted(load: HttpLoad) -> float:
                request = load.request(BODY, RA_USER=USER, Prefer="respond-async")
                return (await load.closed(request, count, CONNECTIONS)).expect(202).rate

            await accepted(ours)
            pairs = await in_turns(options.pairs, lambda: accepted(bare), lambda: accepted(ours))
            bare.close()
            ours.close()
    return [
        figure(
            "P5",
            [subject / reference for reference, subject in pairs],
            bare=[reference for reference, _ in pairs],
            service=[subject for _, subject in pairs],
        )
    ]

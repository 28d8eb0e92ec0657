"""P6: how long a POST takes until its 200, at a quarter and at 70 % of what the service can do."""

import statistics

from bench.figures import Figure, figure
from bench.jobs import BODY, USER
from bench.load import CONNECTIONS, HttpLoad
from bench.pairs import Options, in_turns
from bench.reference import bare_client, produce_and_consume
from bench.stack import Stack

SECONDS = 6.0


async def compare(stack: Stack, options: Options) -> list[Figure]:
    """Measure P6; the capacity is measured first."""
    seconds = max(1.0, SECONDS * options.scale)
    async with stack.both(stack.environment()) as (ingress, _), bare_client(stack) as bare:
        load = HttpLoad(ingress.jobs)
        request = load.request(BODY, RA_USER=USER)
        warm, count = options.scaled(1000), options.scaled(3000)
        await load.closed(request, warm, CONNECTIONS)
        capacity = (await load.closed(request, count, CONNECTIONS)).expect(200).rate

        async def floor() -> tuple[float, float]:
            create = (await bare.one_by_one(capacity / 4, seconds)).quantile(0.5)
            return create, statistics.median(await produce_and_consume(stack, capacity / 4, seconds))

        async def light() -> float:
            return (await load.open(request, capacity / 4, seconds)).expect(200).quantile(0.5)

        pairs = await in_turns(options.pairs, floor, light)
        heavy = [(await load.open(request, capacity * 0.7, seconds, seed)).expect(200) for seed in range(options.pairs)]
        load.close()
    return [
        figure(
            "P6 p50",
            [subject / sum(reference) for reference, subject in pairs],
            create=[reference[0] for reference, _ in pairs],
            produce_and_consume=[reference[1] for reference, _ in pairs],
            service=[subject for _, subject in pairs],
            capacity=[capacity],
        ),
        figure(
            "P6 tail",
            [run.quantile(0.99) / run.quantile(0.5) for run in heavy],
            p50=[run.quantile(0.5) for run in heavy],
            p99=[run.quantile(0.99) for run in heavy],
        ),
    ]

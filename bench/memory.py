"""P8 and START: memory at start and over many submissions, and how long a start takes."""

from bench.canned import canned_cluster
from bench.figures import Figure, figure
from bench.http_load import HttpLoad
from bench.jobs import BODY, USER
from bench.options import Options
from bench.stack import Stack
from bench.throughput import CONNECTIONS

WARM_UP = 5000
SUBMISSIONS = 200_000


async def measure(stack: Stack, options: Options) -> list[Figure]:
    """Measure P8, the Jobs made by a canned API server: those of a real one would fill the machine instead."""
    with canned_cluster(stack) as settings:
        async with stack.both(stack.environment(**settings)) as (ingress, consumer):
            at_start = ingress.resident, consumer.resident
            load = HttpLoad(ingress.url)
            request = load.request(BODY, RA_USER=USER)
            (await load.closed(request, options.scaled(WARM_UP), CONNECTIONS)).expect(200)
            warm = ingress.resident, consumer.resident
            (await load.closed(request, options.scaled(SUBMISSIONS), CONNECTIONS)).expect(200)
            after = ingress.resident, consumer.resident
            load.close()
    return [
        figure("P8 ingress", [at_start[0]]),
        figure("P8 consumer", [at_start[1]]),
        figure(
            "P8 growth",
            [max(end / begin for end, begin in zip(after, warm, strict=True))],
            ingress=[at_start[0], warm[0], after[0]],
            consumer=[at_start[1], warm[1], after[1]],
        ),
    ]


async def starts(stack: Stack, options: Options) -> list[Figure]:
    """Measure START: both roles, one after the other, topics there already after the first time."""
    environment = stack.environment()
    seconds: dict[str, list[float]] = {"ingress": [], "consumer": []}
    for _ in range(options.pairs):
        for role, taken in seconds.items():
            async with stack.service(role, environment) as service:
                taken.append(service.start_seconds)
    slower = [max(both) for both in zip(*seconds.values(), strict=True)]
    return [figure("START", slower, **seconds)]

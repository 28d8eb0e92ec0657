"""What a Prometheus has scraped, minute by minute, and which alerts fire then.

Values are written as promtool reads them: `0+9x30` is 0 and 30 more that grow by 9, `_x5` five scrapes without a value,
`stale` the end of a series. A case is a healthy release with the series replaced that it names.
"""

import re
from typing import Final, NamedTuple

INGRESS: Final = 'namespace="jobs",pod="x-job-submission-ingress-7d9c5b8f6-abcde"'
INGRESS_1: Final = 'namespace="jobs",pod="x-job-submission-ingress-7d9c5b8f6-fghij"'
CONSUMER: Final = 'namespace="jobs",pod="x-job-submission-consumer-0"'
CONSUMER_1: Final = 'namespace="jobs",pod="x-job-submission-consumer-1"'

DAY: Final = 25 * 60
"""Minutes of a case: 25 hours, so that nothing ends by itself when yesterday is forgotten."""

WATCHER: Final = 'namespace="jobs",pod="x-job-submission-watcher-5b8f6c9d7-klmno"'

Series = dict[str, str]


ALWAYS: Final = f"*x{DAY}"
"""A lifetime: where a series has values, `*` in the place of each."""
RESTART: Final = "*x30 stale _x2 *x100"

OF_EVERY_POD: Final = {
    "kafka_up{%s}": "1",
    "unread_partitions{%s}": "0",
    "foreign_group_members{%s}": "0",
    "open_files_left{%s}": "900",
}
"""What every pod finds out about Kafka, and about itself."""
INGRESS_SERIES: Final = OF_EVERY_POD | {
    "build_info{%s}": "1",
    'in_flight{%s,role="ingress"}': "0",
    'http_responses_total{%s,code="200"}': "0+60",
    "kubernetes_up{%s}": "NaN",
    "tokens_unreadable{%s}": "0",
    "oidc_issuer_up{%s}": "NaN",
    "oldest_uncommitted_timestamp_seconds{%s}": "0",
    "dead_letters_total{%s}": "0",
    "consumer_stopped{%s}": "0",
    "clock_skew_seconds{%s}": "0",
}
CONSUMER_SERIES: Final = OF_EVERY_POD | {
    "foreign_commits_total{%s}": "0",
    "build_info{%s}": "1",
    'in_flight{%s,role="consumer"}': "1",
    'consumer_lag_records{%s,partition="0"}': "2",
    'outcomes_total{%s,status="2xx"}': "0+60",
    'retries_total{%s,reason="conflict"}': "0",
    "kubernetes_up{%s}": "1",
    "kubernetes_paused{%s}": "0",
    "tokens_unreadable{%s}": "0",
    "oldest_uncommitted_timestamp_seconds{%s}": "0",
    "dead_letters_total{%s}": "0",
    "consumer_stopped{%s}": "0",
    "clock_skew_seconds{%s}": "0",
    'outcome_seconds_bucket{%s,le="10"}': "0+60",
    'outcome_seconds_bucket{%s,le="30"}': "0+60",
    'outcome_seconds_bucket{%s,le="+Inf"}': "0+60",
}

WATCHER_SERIES: Final = OF_EVERY_POD | {
    "build_info{%s}": "1",
    'watch_up{%s,resource="jobs"}': "1",
    'watch_up{%s,resource="pods"}': "1",
    "clock_skew_seconds{%s}": "0",
}


def flat(value: object) -> str:
    """The same value all the time."""
    return f"{value}x{DAY}"


def growing(by: int) -> str:
    """A counter that grows by so much a minute."""
    return f"0+{by}x{DAY}"


def pod(series: Series, labels: str, lifetime: str = ALWAYS) -> Series:
    """The series of a pod with these labels, in its lifetime."""
    return {
        name % labels: re.sub(r"NaNx(\d+)", lambda found: "NaN " * int(found[1]), lifetime.replace("*", value))
        for name, value in series.items()
    }


def kafka(up: str) -> Series:
    """Whether Kafka answers, as all pods see it."""
    return {f"kafka_up{{{labels}}}": up for labels in (INGRESS, CONSUMER, WATCHER)}


def ingress(lifetime: str = ALWAYS, labels: str = INGRESS) -> Series:
    """The series of an ingress pod."""
    return pod(INGRESS_SERIES, labels, lifetime)


def consumer(lifetime: str = ALWAYS, labels: str = CONSUMER) -> Series:
    """The series of a consumer pod."""
    return pod(CONSUMER_SERIES, labels, lifetime)


def watcher(lifetime: str = ALWAYS) -> Series:
    """The series of a watcher pod."""
    return pod(WATCHER_SERIES, WATCHER, lifetime)


HEALTHY: Final = ingress() | consumer() | watcher()
IDLE: Final = {
    f'consumer_lag_records{{{CONSUMER},partition="0"}}': flat(0),
    f'in_flight{{{CONSUMER},role="consumer"}}': flat(0),
    f'outcomes_total{{{CONSUMER},status="2xx"}}': flat(7),
    f"oldest_uncommitted_timestamp_seconds{{{CONSUMER}}}": flat(0),
    f'http_responses_total{{{INGRESS},code="200"}}': flat(7),
}
"""A night without submissions."""


class Case(NamedTuple):
    """Series and the alerts that fire after so many minutes."""

    name: str
    series: Series
    firing: dict[int, set[str]]


CASES: Final = [
    Case("a healthy release has no alert", HEALTHY, {5: set(), 60: set(), DAY: set()}),
    Case("nor has a quiet one", HEALTHY | IDLE, {60: set()}),
    Case(
        "nor one whose oldest submission is always a minute old",
        HEALTHY | {f"oldest_uncommitted_timestamp_seconds{{{CONSUMER}}}": f"0 0+60x{DAY}"},
        {60: set()},
    ),
    Case("nothing was ever scraped", {}, {4: set(), 6: {"Down"}, DAY: {"Down"}}),
    Case(
        "all pods are gone, for longer than a day",
        ingress("*x9 stale") | consumer("*x9 stale") | watcher("*x9 stale"),
        {14: set(), 16: {"Down"}, DAY: {"Down"}},
    ),
    Case(
        "one pod of each role restarts",
        ingress(RESTART) | consumer(RESTART) | watcher(RESTART),
        {minute: set() for minute in (31, 34, 40, 70, 100)},
    ),
    Case(
        "the ingress is gone",
        ingress("*x9 stale") | consumer() | watcher(),
        {14: set(), 16: {"IngressDown"}, DAY: {"IngressDown"}},
    ),
    Case(
        "one of two ingress pods is gone",
        ingress() | ingress("*x9 stale", INGRESS_1) | consumer() | watcher(),
        {20: set()},
    ),
    Case(
        "the consumers are gone",
        ingress() | consumer("*x9 stale") | watcher(),
        {14: set(), 16: {"NoConsumer"}, DAY: {"NoConsumer"}},
    ),
    Case(
        "one of two consumers is gone",
        ingress() | consumer() | consumer("*x9 stale", CONSUMER_1) | watcher(),
        {20: set()},
    ),
    Case(
        "a consumer runs and has no partition",
        HEALTHY | {f'consumer_lag_records{{{CONSUMER},partition="0"}}': "2x9 stale"},
        {14: set(), 16: {"NoConsumer"}},
    ),
    Case(
        "a consumer hangs",
        HEALTHY
        | {
            f'consumer_lag_records{{{CONSUMER},partition="0"}}': f"2x9 5x{DAY}",
            f'outcomes_total{{{CONSUMER},status="2xx"}}': f"0+60x9 540x{DAY}",
        },
        {12: set(), 17: set(), 19: {"NothingConsumed"}, DAY: {"NothingConsumed"}},
    ),
    Case(
        "one submission rests behind a broken webhook, and nothing else is sent",
        HEALTHY
        | IDLE
        | {
            f'consumer_lag_records{{{CONSUMER},partition="0"}}': flat(40),  # what came after it is done, not committed
            f'in_flight{{{CONSUMER},role="consumer"}}': flat(1),
            f'retries_total{{{CONSUMER},reason="webhook"}}': growing(3),
            f"oldest_uncommitted_timestamp_seconds{{{CONSUMER}}}": flat(60),
        },
        {5: set(), 9: {"LagAge"}, DAY: {"LagAge"}},
    ),
    Case(
        "everything is tried again and nothing gets an outcome",
        HEALTHY
        | IDLE
        | {
            f'consumer_lag_records{{{CONSUMER},partition="0"}}': flat(40),
            f'in_flight{{{CONSUMER},role="consumer"}}': flat(40),
            f'retries_total{{{CONSUMER},reason="webhook"}}': growing(120),
            f"oldest_uncommitted_timestamp_seconds{{{CONSUMER}}}": flat(60),
        },
        {4: set(), 6: {"NothingConsumed"}, 9: {"NothingConsumed", "LagAge"}},
    ),
    Case(
        "the pause switch is on for three hours, and the reminder is all that fires",
        HEALTHY
        | {
            f"kubernetes_paused{{{CONSUMER}}}": f"0x9 1x180 0x{DAY}",
            f'consumer_lag_records{{{CONSUMER},partition="0"}}': f"2x9 5+5x180 0x{DAY}",
            f'outcomes_total{{{CONSUMER},status="2xx"}}': f"0+60x9 540x181 540+60x{DAY}",
            f"oldest_uncommitted_timestamp_seconds{{{CONSUMER}}}": f"0x9 600x180 0x{DAY}",
        },
        {30: set(), 39: set(), 42: {"Paused"}, 180: {"Paused"}, 200: set()},
    ),
    Case(
        "a consumer restarts with a backlog",
        ingress()
        | watcher()
        | consumer("*x9 stale _x2 *x200")
        | {f'consumer_lag_records{{{CONSUMER},partition="0"}}': "2x9 stale _x2 9000-100x88 2x100"},
        {12: set(), 20: set(), 90: set()},
    ),
    Case(
        "Kafka is gone: no consumer has a partition either, and that is no second alert",
        HEALTHY
        | kafka(f"1x9 0x{DAY}")
        | {
            f'consumer_lag_records{{{CONSUMER},partition="0"}}': "2x9 stale",
            f"oldest_uncommitted_timestamp_seconds{{{CONSUMER}}}": "0x9 " + "NaN " * 50,
        },
        {11: set(), 13: {"KafkaUnreachable"}, 40: {"KafkaUnreachable"}, DAY: {"KafkaUnreachable"}},
    ),
    Case(
        "one of two consumers does not reach Kafka",
        HEALTHY | consumer(labels=CONSUMER_1) | {f"kafka_up{{{CONSUMER_1}}}": f"1 0x{DAY}"},
        {2: set(), 4: {"KafkaUnreachable"}, DAY: {"KafkaUnreachable"}},
    ),
    Case(
        "Kafka is away for a minute, as in a rolling restart",
        HEALTHY | kafka(f"1x9 0 1x{DAY}"),
        {10: set(), 12: set(), 30: set()},
    ),
    Case(
        "a pod that has just started has not asked Kafka yet",
        HEALTHY | {f"kafka_up{{{INGRESS}}}": f"1x30 stale _x2 0 1x{DAY}"},
        {minute: set() for minute in (31, 34, 35, 36, 60)},
    ),
    Case(
        "the consumers are gone while Kafka is gone for the ingress alone",
        ingress() | consumer("*x9 stale") | watcher() | {f"kafka_up{{{INGRESS}}}": f"1x9 0x{DAY}"},
        {16: {"KafkaUnreachable", "NoConsumer"}, DAY: {"KafkaUnreachable", "NoConsumer"}},
    ),
    Case(
        "partitions that were added are read by nobody",
        HEALTHY | {f"unread_partitions{{{INGRESS}}}": f"0x9 6x{DAY}"},
        {14: set(), 16: {"PartitionsUnread"}, DAY: {"PartitionsUnread"}},
    ),
    Case(
        "a rebalance leaves partitions without a reader for a moment",
        HEALTHY | {f"unread_partitions{{{INGRESS}}}": f"0x9 6x2 0x{DAY}"},
        {12: set(), 16: set()},
    ),
    Case(
        "without any consumer all partitions are unread, and that is no second alert",
        ingress()
        | consumer("*x9 stale")
        | watcher()
        | {f"unread_partitions{{{pod}}}": f"0x9 6x{DAY}" for pod in (INGRESS, WATCHER)},
        {16: {"NoConsumer"}, DAY: {"NoConsumer"}},
    ),
    Case(
        "nobody knows who reads",
        HEALTHY
        | {
            f"{name}{{{pod}}}": "NaN " * 60
            for name in ("unread_partitions", "foreign_group_members")
            for pod in (INGRESS, CONSUMER, WATCHER)
        },
        {59: set()},
    ),
    Case(
        "somebody else is in the group",
        HEALTHY | {f"foreign_group_members{{{CONSUMER}}}": f"0x9 1x{DAY}"},
        {9: set(), 11: {"ForeignGroupMembers"}, DAY: {"ForeignGroupMembers"}},
    ),
    Case(
        "somebody else has committed, once",
        HEALTHY | {f"foreign_commits_total{{{CONSUMER}}}": f"0x9 1x{DAY}"},
        {9: set(), 12: {"ForeignGroupMembers"}, 30: set()},
    ),
    Case(
        "a consumer has stopped itself",
        HEALTHY | {f"consumer_stopped{{{CONSUMER}}}": f"0x2 1x{DAY}"},
        {2: set(), 4: {"ConsumerStopped"}},
    ),
    Case(
        "dead letters, once",
        HEALTHY | {f"dead_letters_total{{{CONSUMER}}}": f"0x2 1x{DAY}"},
        {2: set(), 4: {"DeadLetters"}, 25: set()},
    ),
    Case(
        "dead letters before a restart are not told again after it",
        HEALTHY | {f"dead_letters_total{{{CONSUMER}}}": f"4x30 stale _x2 0x{DAY}"},
        {29: set(), 35: set()},
    ),
    Case(
        "a tenth of the POSTs fails",
        HEALTHY | {f'http_responses_total{{{INGRESS},code="503"}}': growing(7)},
        {4: set(), 12: {"ErrorRate"}, DAY: {"ErrorRate"}},
    ),
    Case(
        "one POST fails in a quiet night",
        HEALTHY | IDLE | {f'http_responses_total{{{INGRESS},code="503"}}': f"0x60 1x{DAY}"},
        {62: set(), 66: set(), 70: set()},
    ),
    Case(
        "faulty requests are no errors of the service",
        HEALTHY | {f'http_responses_total{{{INGRESS},code="400"}}': growing(600)},
        {30: set()},
    ),
    Case(
        "the tokens cannot be read",
        HEALTHY | {f"tokens_unreadable{{{INGRESS}}}": f"0x9 1x{DAY}"},
        {9: set(), 11: {"TokensUnreadable"}, DAY: {"TokensUnreadable"}},
    ),
    Case(
        "the keys of producers cannot be read",
        HEALTHY | {f'signing_keys_unreadable{{{CONSUMER},file="producers"}}': f"0x9 1x{DAY}"},
        {9: set(), 11: {"SigningKeysUnreadable"}, DAY: {"SigningKeysUnreadable"}},
    ),
    Case(
        "the issuer of tokens is away, and comes back",
        HEALTHY | {f"oidc_issuer_up{{{INGRESS}}}": f"1x9 0x20 1x{DAY}"},
        {12: set(), 16: {"IssuerUnreachable"}, 32: set()},
    ),
    Case(
        "one of two consumers cannot reach the API server",
        HEALTHY | consumer(labels=CONSUMER_1) | {f"kubernetes_up{{{CONSUMER_1}}}": f"1 0x{DAY}"},
        {2: set(), 4: {"KubernetesUnreachable"}, DAY: {"KubernetesUnreachable"}},
    ),
    Case(
        "outcomes are slow",
        HEALTHY | {f'outcome_seconds_bucket{{{CONSUMER},le="10"}}': flat(0)},
        {9: set(), 13: {"SlowOutcomes"}, DAY: {"SlowOutcomes"}},
    ),
    Case(
        "outcomes are slow for a moment",
        HEALTHY | {f'outcome_seconds_bucket{{{CONSUMER},le="10"}}': f"0+60x60 3600x2 3660+60x{DAY}"},
        {62: set(), 66: set(), 75: set()},
    ),
    Case(
        "the watcher is gone",
        ingress() | consumer() | watcher("*x9 stale"),
        {14: set(), 16: {"WatcherDown"}, DAY: {"WatcherDown"}},
    ),
    Case(
        "one of its watches is broken",
        HEALTHY | {f'watch_up{{{WATCHER},resource="pods"}}': f"1x9 0x{DAY}"},
        {14: set(), 16: {"WatchBroken"}, 60: {"WatchBroken"}},
    ),
    Case(
        "one of two ingress pods runs out of file descriptors",
        HEALTHY | ingress(labels=INGRESS_1) | {f"open_files_left{{{INGRESS_1}}}": f"900x9 3x{DAY}"},
        {10: set(), 12: {"FilesShort"}, DAY: {"FilesShort"}},
    ),
    Case(
        "a clock is three minutes behind",
        HEALTHY | {f"clock_skew_seconds{{{INGRESS}}}": f"-180x{DAY}"},
        {4: set(), 6: {"ClockSkewed"}, 60: {"ClockSkewed"}},
    ),
    Case(
        "no broker has told the time yet",
        HEALTHY | {f"clock_skew_seconds{{{INGRESS}}}": "NaN " * 60},
        {59: set()},
    ),
    Case(
        "another release beside it, in its namespace and in another, does not stand in for it",
        {
            series.replace("x-job-submission", other).replace("jobs", namespace): values
            for series, values in HEALTHY.items()
            for other, namespace in (("y-job-submission", "jobs"), ("x-job-submission", "others"), ("x", "jobs"))
        },
        {6: {"Down"}},
    ),
    Case(
        "the faults of another release are not its own",
        HEALTHY
        | {
            f'{name}{{namespace="others",pod="x-job-submission-consumer-0"}}': flat(value)
            for name, value in (("consumer_stopped", 1), ("kubernetes_up", 0), ("tokens_unreadable", 1))
        },
        {60: set()},
    ),
]

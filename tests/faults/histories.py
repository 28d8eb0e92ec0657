"""The events of a run's jobs, and what is wrong with them: each has one end, in order, and nothing is missing."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from service.submission.job_events import EventKind, JobEvent, is_terminal, read_job_event
from service.submission.records import Record

Histories = dict[str, list[JobEvent]]


def histories(records: Iterable[Any]) -> Histories:
    """Return the events of each Job by its uid, as they stand in its partition."""
    found: Histories = defaultdict(list)
    for each in records:
        headers = tuple(each.headers)
        event = read_job_event(
            Record(each.topic, each.partition, each.offset, each.timestamp, each.key, each.value, headers)
        )
        if event is not None:
            found[event.state.id].append(event)
    return found


def all_deleted(told: Histories, uids: Collection[str]) -> bool:
    """Tell whether the events of every Job, and of each of `uids` at the least, have come to its deletion."""
    return told.keys() >= set(uids) and all(events[-1].kind is EventKind.DELETED for events in told.values())


def untold(told: Histories, uids: Collection[str]) -> list[str]:
    """Return a sentence for each Job whose events break the promise, when all Jobs are gone.

    `uids` are the Jobs that must have been seen; one that came and went while nobody watched has no events at all.
    """
    found = [f"{uid}: no event" for uid in sorted(set(uids) - told.keys())]
    for uid, events in told.items():
        once = {event.id: event for event in reversed(events)}
        if any(once[event.id] != event for event in events):
            found.append(f"{uid}: one id for two events")
        distinct = sorted(once.values(), key=lambda event: event.sequence)
        kinds = [event.kind.value for event in distinct]
        if [event.id for event in distinct] != list(dict.fromkeys(event.id for event in events)):
            found.append(f"{uid}: out of order: {[event.sequence for event in events]}")
        if [event.sequence for event in distinct] != list(range(1, len(distinct) + 1)):
            found.append(f"{uid}: with gaps: {[event.sequence for event in distinct]}")
        ends = sum(map(is_terminal, distinct))
        if ends != 1:
            found.append(f"{uid}: {ends} ends: {kinds}")
        if kinds[0] != EventKind.CREATED or kinds[-1] != EventKind.DELETED or kinds.count(EventKind.DELETED) != 1:
            found.append(f"{uid}: not from its creation to its deletion: {kinds}")
    return found

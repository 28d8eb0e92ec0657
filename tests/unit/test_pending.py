"""What waits in the topic: of which project a submission is, whatever somebody else writes under its key."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from service.broker.queries import Committed
from service.settings import KafkaSettings, TopicSettings
from service.submission.identity import SubmissionId, http_submission_id, record_id
from service.submission.records import Submission, submission_record
from service.views.pending import PendingSubmissions

POSTED = http_submission_id("mary", "team-a", "k")
PRODUCED = SubmissionId("/pipelines/nightly", "1")


def record(identity: SubmissionId, project: str, **changes: Any) -> SimpleNamespace:
    body = json.dumps({"job": {"project": project}}).encode()
    written = submission_record(Submission(identity, True, body, 0.0, user="mary"), "in")
    fields = {"key": written.key, "value": body, "headers": written.headers, "timestamp": 0} | changes
    return SimpleNamespace(**fields)


class Log:
    """A topic of one partition, of which nothing is committed."""

    def __init__(self, *records: SimpleNamespace) -> None:
        self.records = records
        for offset, each in enumerate(records):
            each.offset = offset

    async def partition_count(self) -> int:
        return 1

    async def committed(self, *_: object) -> Committed:
        return Committed(0, "")

    async def scan(self, _partition: int, start: int, _max_bytes: int) -> AsyncIterator[list[SimpleNamespace]]:
        for each in self.records[start:]:
            yield [each]


def pending(*records: SimpleNamespace, is_believed: bool = True) -> PendingSubmissions:
    view = PendingSubmissions(KafkaSettings(), TopicSettings(), "g", is_believed=is_believed)
    view._reader = Log(*records)  # type: ignore[assignment] # of its questions those that are asked here
    return view


@pytest.mark.parametrize("is_believed", [True, False])
@pytest.mark.parametrize(
    "forged",
    [
        record(SubmissionId("/mallory", "1"), "team-b", key=POSTED.key.encode()),
        record(POSTED, "team-b", key=POSTED.key.encode(), headers=()),
        record(POSTED, "team-b"),
    ],
    ids=["another id under the key", "no id under the key", "the same id"],
)
async def test_nobody_makes_a_post_one_of_another_project_by_a_record_under_its_key(
    forged: SimpleNamespace, is_believed: bool
):
    found = await pending(record(POSTED, "team-a"), forged, is_believed=is_believed).project_of(POSTED.key)
    assert found == "team-a"


async def test_a_record_of_another_id_under_the_key_hides_nothing():
    forged = record(SubmissionId("/mallory", "1"), "team-b", key=POSTED.key.encode())
    view = pending(record(POSTED, "team-a"), forged, is_believed=False)
    assert await view.project_of(POSTED.key) == "team-a"
    place = await view.place(POSTED.key)
    assert place is not None
    assert place.ahead == 0


@pytest.mark.parametrize(("is_believed", "project"), [(True, "team-a"), (False, None)])
async def test_the_body_says_the_project_of_a_producers_submission_where_producers_are_believed(
    is_believed: bool, project: str | None
):
    assert await pending(record(PRODUCED, "team-a"), is_believed=is_believed).project_of(PRODUCED.key) == project


async def test_a_submission_that_does_not_wait_has_no_project():
    assert await pending(record(PRODUCED, "team-a")).project_of(POSTED.key) is None


async def test_a_record_under_the_same_id_that_names_another_user_hides_nobodys_place():
    forged = [record(POSTED, "team-a") for _ in range(2)]
    for each, user in zip(forged, (b"mallory", None), strict=True):
        others = tuple((name, value) for name, value in each.headers if name != "ra-user")
        each.headers = others if user is None else (*others, ("ra-user", user))
    view = pending(record(PRODUCED, "team-a"), record(POSTED, "team-a"), *forged, is_believed=False)
    places = {user: await view.place(POSTED.key, user) for user in ("mary", "mallory", "john", None)}
    assert {user: place and place.ahead for user, place in places.items()} == {
        "mary": 1,
        "mallory": 2,
        "john": None,
        None: 3,  # who may see all sees the last
    }


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"CE_ID": "1", "ce-source": "/pipelines/nightly", "RA_USER": "mary"}, PRODUCED),
        ({"Idempotency-Key": "1", "ce_source": "/pipelines/nightly", "Ra-User": "mary"}, PRODUCED),
        ({"ce_id": "1", "ra-user": "mary"}, SubmissionId("/topics/job-submissions", "1")),
    ],
)
async def test_a_record_whose_headers_are_written_in_another_way_is_found_as_well(
    headers: dict[str, str], waits: SubmissionId
):
    spelled = tuple((name, value.encode()) for name, value in headers.items())
    view = pending(record(PRODUCED, "team-a", key=None, headers=spelled))
    assert await view.place(waits.key, "mary") is not None
    assert await view.place(waits.key, "john") is None


async def test_an_event_in_structured_mode_and_a_record_without_an_id_are_found_as_well():
    attributes = {"specversion": "1.0", "id": "1", "source": "/pipelines/nightly", "type": "job"}
    event = json.dumps(attributes | {"data": {"job": {"project": "team-a"}}}).encode()
    structured = (("content-type", b"application/cloudevents+json"), ("ra-user", b"mary"))
    view = pending(
        record(PRODUCED, "team-a", key=None, value=event, headers=structured),
        record(PRODUCED, "team-a", key=None, headers=(("ra-user", b"mary"),), timestamp=7),
    )
    for number, waits in enumerate((PRODUCED, record_id("job-submissions", 0, 1, 7))):
        place = await view.place(waits.key, "mary")
        assert place is not None
        assert place.ahead == number
        assert await view.project_of(waits.key, "mary") == "team-a"

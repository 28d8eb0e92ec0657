"""What a stranger writes to `job-events` is told of and passed over; an exception would end whoever reads the topic."""

import pytest

from service.errors import UnreadableRecord
from service.submission.job_events import job_event_record, read_job_event
from service.submission.records import Record
from tests.unit.job_events import TOPIC, job_event


def written(**headers: bytes) -> Record:
    new = job_event_record(job_event(1), TOPIC, 0)
    kept = [(name, value) for name, value in new.headers if name not in headers]
    return Record(TOPIC, 0, 0, 0, new.key, new.value, (*kept, *headers.items()))


def test_an_event_is_read_as_it_was_written():
    event = job_event(1)
    assert read_job_event(written()) == event.model_copy(update={"at": event.state.created_at})  # without a history


@pytest.mark.parametrize("sequence", [b"0", b"-1", b"", b"x", b"\xff", b"9" * 5000])
def test_a_number_that_no_event_has_is_told(sequence):
    with pytest.raises(UnreadableRecord):
        read_job_event(written(ce_sequence=sequence))

"""How far a partition is behind, and what may be committed beyond its records."""

import pytest

from service.broker.lag import Progress


@pytest.mark.parametrize(
    ("progress", "lag", "committable", "blocked"),
    [
        # fields: high watermark, last stable offset, position, committed, first, delivered
        pytest.param(Progress(0, 0, 0, None), 0, None, False, id="an empty partition"),
        pytest.param(Progress(9, 9, 9, None), 0, 9, False, id="all done before this assignment"),
        pytest.param(Progress(9, 9, 4, None), 5, 4, False, id="nothing fetched yet"),
        pytest.param(Progress(9, 9, 7, None, 4, 7), 5, None, False, id="fetched and nothing done"),
        pytest.param(Progress(9, 9, 7, 5, 4, 7), 4, None, False, id="some of it done"),
        pytest.param(Progress(9, 9, 9, 9, 4, 9), 0, None, False, id="all done"),
        pytest.param(Progress(9, 9, 9, 8, 4, 8), 0, 9, False, id="a marker comes last"),
        pytest.param(Progress(9, 9, 9, 7, 4, 8), 2, None, False, id="a marker comes last, and a record is in progress"),
        pytest.param(Progress(9, 9, 9, None, 4, 8), 5, None, False, id="the same before the first commit"),
        pytest.param(Progress(9, 9, 9, None), 0, 9, False, id="nothing but markers"),
        pytest.param(Progress(9, 5, 5, 5, 4, 5), 4, None, True, id="an open transaction comes next"),
        pytest.param(Progress(9, 5, 3, 3, 2, 3), 6, None, False, id="an open transaction comes later"),
        pytest.param(Progress(3, 3, 3, 500, 0, 3), 0, None, False, id="a topic made anew, before it is noticed"),
    ],
)
def test_progress(progress: Progress, lag: int, committable: int | None, blocked: bool) -> None:
    assert (progress.lag, progress.committable, progress.blocked) == (lag, committable, blocked)

"""The audit trail of refused requests."""

from structlog.testing import capture_logs

from service.telemetry.refusals import RefusalLog


def test_each_reason_has_so_many_lines_a_second_and_says_how_many_were_left_out():
    now = 100.0
    trail = RefusalLog(2, lambda: now)
    with capture_logs() as logs:
        for _ in range(5):
            trail.write("Unauthorized", status=401)
        trail.write("Forbidden", status=403)
        now = 101.0
        trail.write("Unauthorized", status=401)
        now = 102.0
        trail.write("Unauthorized", status=401)
    assert [(line["reason"], line["suppressed"]) for line in logs] == [
        ("Unauthorized", None),
        ("Unauthorized", None),
        ("Forbidden", None),
        ("Unauthorized", 3),
        ("Unauthorized", None),
    ]
    assert {line["event"] for line in logs} == {"request-refused"}


def test_none_at_all():
    trail = RefusalLog(0)
    with capture_logs() as logs:
        trail.write("Unauthorized", status=401)
    assert logs == []


def test_text_of_clients_is_cut():
    with capture_logs() as logs:
        RefusalLog(1).write("Unauthorized", path="/" * 10_000, status=401)
    assert len(logs[0]["path"]) == 200

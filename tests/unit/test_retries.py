"""What Kubernetes has not decided: outages, places, retries, the deadline of a submission."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.cluster.failure_log import FailureLog
from service.kube import ApiUnreachable
from service.kube.decisions import ApiAnswer
from service.kube.errors import Reason
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome
from tests.unit.fake_api import ANSWERS, FakeApi
from tests.unit.submitting import PLAIN, RICH, Caller, answered, submission


async def test_an_outage_is_waited_for_and_then_nobody_hesitates() -> None:
    api = FakeApi(["refused", "refused", "refused", "refused"])
    caller, sent = Caller(api), submission(PLAIN)
    assert (await caller.submit(sent)).status == 200
    assert api.calls == ["create jobs/train", "probe", "probe", "probe", "probe", "create jobs/train"]
    assert (caller.slept, caller.retries()) == ([], {"refused": 1.0})


async def test_in_an_outage_one_probes_for_all() -> None:
    api = FakeApi(["refused"] * 12)
    caller = Caller(api)
    sent = [submission({**PLAIN, "name": f"train-{i}"}, SubmissionId("/tests", str(i))) for i in range(10)]
    outcomes = await asyncio.gather(*map(caller.submit, sent))
    assert [outcome.status for outcome in outcomes] == [200] * 10
    assert api.calls.count("probe") == 3
    assert caller.metrics.kube_up.collect()[0].samples[0].value == 1


async def test_no_more_steps_at_kubernetes_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    api, busy, at_once = FakeApi(), 0, list[int]()
    create = api.create

    async def counted(*arguments: Any) -> Any:
        nonlocal busy
        busy += 1
        at_once.append(busy)
        created = await create(*arguments)
        busy -= 1
        return created

    monkeypatch.setattr(api, "create", counted)
    caller = Caller(api, max_in_flight=3)
    sent = [submission({**PLAIN, "name": f"train-{i}"}, SubmissionId("/tests", str(i))) for i in range(20)]
    outcomes = await asyncio.gather(*map(caller.submit, sent))
    assert [outcome.status for outcome in outcomes] == [200] * 20
    assert (at_once[0], max(at_once)) == (1, 3), "a quarter at first, one at least"


async def test_a_project_that_gets_no_answers_leaves_the_others_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    api, recovered, hanging, at_once = FakeApi(), asyncio.Event(), 0, list[int]()
    api.namespaces.add("runai-hung")
    create = api.create

    async def hang(resource: str, namespace: str, *rest: Any) -> Any:
        nonlocal hanging
        if namespace == "runai-hung" and not recovered.is_set():
            hanging += 1
            at_once.append(hanging)
            await asyncio.sleep(0.05)
            hanging -= 1
            raise ApiUnreachable(Reason.TIMEOUT)
        return await create(resource, namespace, *rest)

    monkeypatch.setattr(api, "create", hang)
    caller = Caller(api, max_in_flight=16, request_timeout_seconds=0.05)

    async def submit(number: int, project: str) -> Outcome:
        sent = submission({"project": project, "image": "i"}, SubmissionId("/tests", str(number)))
        return await caller.submitter.submit(sent, confirm=caller.confirm, sleep=lambda _: asyncio.sleep(0.01))

    hung = [asyncio.create_task(submit(number, "hung")) for number in range(200)]
    await asyncio.sleep(0)
    others = await asyncio.gather(*(submit(number, "team-a") for number in range(200, 300)))
    assert [outcome.status for outcome in others] == [200] * 100
    assert len(at_once) < 20, "those of the first moment, and two at once since"
    assert max(at_once[4:], default=0) <= 2
    assert set(caller.retries()) == {"timeout", "suspect"}
    recovered.set()
    assert [outcome.status for outcome in await asyncio.gather(*hung)] == [200] * 200


async def test_a_lost_answer_of_a_living_server_backs_off() -> None:
    api = FakeApi(["lost-answer", "ok", "ok", "lost-answer", "ok"])
    caller = Caller(api, retry_base_seconds=1, retry_cap_seconds=1)
    assert (await caller.submit(submission(PLAIN))).status == 200
    assert len(caller.slept) == 2
    assert api.jobs_ever == ["train"]


async def test_retry_after_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "429", ApiAnswer(429, "TooManyRequests", "too many requests", retry_after=0.2))
    caller = Caller(FakeApi(["429", "429"]), retry_base_seconds=0.1, retry_cap_seconds=0.1)
    await caller.submit(submission(PLAIN))
    assert [0.2 <= slept < 0.3 for slept in caller.slept] == [True, True]
    assert caller.retries() == {"too-many-requests": 2.0}


async def test_what_fails_for_a_while_leaves_a_line_in_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    full = ApiAnswer(500, "InternalError", "etcdserver: mvcc: database space exceeded")
    hook = ApiAnswer(500, "InternalError", 'failed calling webhook "p.example.org": no endpoints available')
    monkeypatch.setitem(ANSWERS, "500", full)
    monkeypatch.setitem(ANSWERS, "503", hook)
    caller = Caller(FakeApi(["500", "500", "503", "500", "503"]))
    with capture_logs() as logs:
        assert (await caller.submit(submission(PLAIN))).status == 200
    assert [line for line in logs if line["log_level"] == "warning"] == [
        {
            "event": "kubernetes-failing",
            "reason": reason,
            "detail": answer.message,
            "namespace": "runai-team-a",
            "tries": 1,
            "log_level": "warning",
        }
        for reason, answer in (("server-error", full), ("webhook-failed", hook))
    ]


def test_a_failure_that_lasts_is_told_once_a_minute_with_the_number_of_tries() -> None:
    failures = FailureLog()
    with capture_logs() as logs:
        for second in range(0, 130, 2):
            failures.note("server-error", "full", "a", second)
        failures.note("webhook-failed", "down", "b", 130)
    assert [(line["reason"], line["tries"]) for line in logs] == [
        ("server-error", 1),
        ("server-error", 30),
        ("server-error", 30),
        ("webhook-failed", 1),
    ]


async def test_past_the_deadline_the_job_is_taken_back() -> None:
    api = FakeApi()
    unavailable = ApiAnswer(503, "ServiceUnavailable", "")
    api.refuse = lambda resource, _name: unavailable if resource == "services" else None
    sent = submission(RICH)
    body = {
        "status": 504,
        "code": 504,
        "reason": "DeadlineExceeded",
        "message": "Kubernetes could not take the job within 1e-06 s: server-error",
        "details": "submit it again under a new id",
    }
    assert await Caller(api, deadline=1e-6).submit(sent) == answered(sent, 504, body)
    assert api.names() == []


async def test_an_outage_does_not_count_for_the_deadline() -> None:
    api = FakeApi(["refused", "refused", "refused", "refused", "refused"])
    assert (await Caller(api, deadline=1e-6).submit(submission(PLAIN))).status == 200

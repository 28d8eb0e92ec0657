"""Logs of pods that really run, as the service gives them: whole, of several pods, followed across a retry."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.node.jobs import until

JOBS = {
    "prints": {"script": "echo one; echo two; echo three"},
    "twice": {"script": "echo in $(uname -n)", "completions": 2, "parallelism": 2},
    "long": {"script": "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"},
    "no node": {"nodeType": "dgx"},
}


@pytest.fixture(scope="module")
def names(jobs):
    return jobs.submit_all(JOBS)


def logs(jobs, name: str, query: str = "") -> tuple[int, Any]:
    """Return status and text of a job's log, or status and JSON of a refusal."""
    url = f"{jobs.url}/api/v1/jobs/team-a/{name}/logs{query}"
    request = urllib.request.Request(url, headers={"RA-USER": "john"})
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def told(jobs, name: str, query: str = "") -> str:
    """Return the log of a job that is complete, once the watcher has seen as much."""
    assert jobs.finished(name) == "Complete"

    def found():
        status, text = logs(jobs, name, query)
        return (text,) if status == 200 else None

    return until(found, lambda: logs(jobs, name, query))[0]


def test_the_log_is_what_the_job_printed(jobs, names):
    assert told(jobs, names["prints"]) == "one\ntwo\nthree\n"
    assert told(jobs, names["prints"], "?tailLines=1") == "three\n"
    stamped = told(jobs, names["prints"], "?timestamps=true&tailLines=1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n", stamped)


def test_a_long_log_is_all_that_the_node_kept(jobs, names):
    """On an overloaded node containerd 1.6 loses up to 100 kB of what was printed right before the end."""
    text = told(jobs, names["long"])
    assert text == jobs.pod(names["long"]).log
    lines = text.splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert len(lines) > 10_000


def test_of_two_pods_each_line_has_the_name_of_its_own(jobs, names):
    text = told(jobs, names["twice"])
    pods = sorted(pod.name for pod in jobs.pods(names["twice"]))
    assert sorted(text.splitlines()) == [f"[{pod}] in {pod}" for pod in pods]
    assert told(jobs, names["twice"], f"?pod={pods[0]}") == f"in {pods[0]}\n"


def test_a_job_is_followed_from_before_its_first_pod_across_its_retry_to_its_end(jobs):
    name = jobs.script("echo begun; sleep 1; echo failed; exit 3", backoffLimit=1)

    def followed():
        status, text = logs(jobs, name, "?follow=true")
        return (status, text) if status != 404 else None  # the watcher hears of it a moment later

    status, text = until(followed, lambda: jobs.told(name))
    first, second = jobs.pods(name)
    lines = ["begun", "failed", f"[{second.name}] begun", f"[{second.name}] failed"]
    assert (status, text.splitlines()) == (200, lines)
    assert jobs.finished(name) == "Failed: BackoffLimitExceeded"
    assert logs(jobs, name, f"?pod={first.name}") == (200, "begun\nfailed\n")


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [("?container=proxy", 404, "NoSuchLog"), ("?previous=true", 404, "NoSuchLog"), ("?pod=x", 400, "InvalidParameter")],
)
def test_a_log_that_there_is_not_is_refused_by_name(jobs, names, query, status, reason):
    assert told(jobs, names["prints"])
    answered, body = logs(jobs, names["prints"], query)
    assert (answered, body["reason"]) == (status, reason)


def test_a_job_that_has_not_started_says_why_it_has_no_log(jobs, names):
    def refused():
        status, body = logs(jobs, names["no node"])
        return (status, body["message"]) if "run.ai/type" in str(body) else None

    message = f"no pod of the job {names['no node']} has started yet: none of 1 nodes has run.ai/type=dgx"
    assert until(refused, lambda: logs(jobs, names["no node"])) == (409, message)

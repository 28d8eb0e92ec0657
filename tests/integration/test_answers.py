"""Every answer of the table in docs/api.md, from a running service on real servers."""

import asyncio
import json
import uuid

import pytest

from service.http_ingress import USAGE

JOB = {"project": "team-a", "image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


async def test_created(post, api):
    answer = await post({"job": JOB})
    assert answer.status == 200
    assert list(answer.body) == ["name"]
    job = await api.job(answer.body["name"])
    assert job["metadata"]["annotations"]["job-submission.io/user"] == "john"


@pytest.mark.parametrize("path", ["/api/job", "/api/v1/job", "/api/v1/jobs"])
async def test_every_path_of_the_api_family(post, path):
    assert (await post({"job": JOB}, path=path)).status == 200


async def test_the_same_submission_again(post, api):
    key = unique("key")
    first = await post({"job": JOB}, Idempotency_Key=key)
    again = await post({"job": dict(reversed(JOB.items()))}, Idempotency_Key=f'"{key}"')
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    _, jobs = await api.request(
        "GET", "/apis/batch/v1/namespaces/runai-team-a/jobs?fieldSelector=metadata.name=" + first.body["name"]
    )
    assert len(jobs["items"]) == 1


async def test_the_same_key_at_once_makes_one_job(post):
    key = unique("key")
    answers = await asyncio.gather(*(post({"job": JOB}, Idempotency_Key=key) for _ in range(5)))
    assert {(a.status, a.body["name"]) for a in answers} == {(200, answers[0].body["name"])}


async def test_a_key_counts_within_user_and_project(post):
    key = unique("key")
    john = await post({"job": JOB}, Idempotency_Key=key)
    mary = await post({"job": JOB}, Idempotency_Key=key, RA_USER="mary")
    other = await post({"job": JOB | {"project": "team-b"}}, Idempotency_Key=key)
    assert [a.status for a in (john, mary, other)] == [200, 200, 200]
    assert len({a.body["name"] for a in (john, mary, other)}) == 3


async def test_the_same_key_with_another_body(post):
    key = unique("key")
    first = await post({"job": JOB}, Idempotency_Key=key)
    other = await post({"job": JOB | {"gpu": 2}}, Idempotency_Key=key)
    again = await post({"job": JOB}, Idempotency_Key=key)
    assert (first.status, other.status) == (200, 422)
    assert set(other.body) >= {"status", "code", "reason", "message"}
    assert (again.status, again.body) == (200, first.body)


async def test_name_taken_by_another_job(post):
    name = unique("taken")
    assert (await post({"job": JOB | {"name": name}})).body == {"name": name}
    answer = await post({"job": JOB | {"name": name}})
    assert answer.status == 409
    assert name in answer.body["message"]


async def test_preferences_in_several_headers_count_as_one(service, http):
    headers = [("RA-USER", "john"), ("Prefer", "handling=lenient"), ("Prefer", "respond-async")]
    async with http.post(service.url + "/api/job", json={"job": JOB}, headers=headers) as response:
        assert response.status == 202


async def test_respond_async_and_the_submission_behind_its_location(post, service, http):
    answer = await post({"job": JOB}, Prefer="respond-async")
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "1"
    location = answer.headers["Location"]
    assert location == f"/api/submissions/{answer.body['id']}"
    for _ in range(100):
        async with http.get(service.url + location, headers={"RA-USER": "john"}) as response:
            body = await response.json()
            if response.status != 202:
                break
        await asyncio.sleep(0.1)
    assert (response.status, body) == (200, {"name": answer.body["name"]})


@pytest.mark.parametrize("key", ["a" * 52, "nothing", "%00", "a" * 300])
async def test_an_unknown_submission(service, http, key):
    async with http.get(f"{service.url}/api/submissions/{key}", headers={"RA-USER": "john"}) as response:
        assert response.status == 404
        assert set(await response.json()) == {"status", "code", "reason", "message"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"{", "line 1"),
        (b'{"job": {"project": "team-a",\n "image": "i",\n}}', "comma"),
        (b"[]", "object"),
        (b"[" * 60_000, ""),
        (b'{"job": {"project": "team-a", "image": "i", "gpu": NaN}}', ""),
        (b'{"job": {"project": "team-a", "image": "i", "image": "j"}}', "image"),
        (b'{"job": {"project": "team-a", "image": "\\ud800"}}', ""),
        (b"\xff\xfe", ""),
        (b'{"job": null}', "job"),
        (b'{"jobs": {}}', "job"),
    ],
)
async def test_faulty_bodies(post, body, words):
    answer = await post(body)
    assert answer.status == 400
    assert words in json.dumps(answer.body)
    assert list(answer.body) == ["status", "code", "reason", "message", "details"]


async def test_all_faults_at_once_each_with_its_path(post):
    claims = [{"size": "1G", "path": "/a"}, {"size": "x", "path": "b"}]
    job = {"project": "team-a", "gpu": -1, "imge": "x", "pvc": claims}
    answer = await post({"job": job})
    assert answer.status == 400
    paths = {fault["path"]: fault["message"] for fault in answer.body["details"]}
    assert set(paths) == {"job.image", "job.gpu", "job.imge", "job.pvc[1].size", "job.pvc[1].path"}
    assert "image" in paths["job.imge"]


async def test_no_user(post):
    answer = await post({"job": JOB}, RA_USER=None)
    assert answer.status == 401
    assert "RA-USER" in answer.body["message"]


async def test_unknown_project(post):
    answer = await post({"job": JOB | {"project": "nobody"}})
    assert answer.status == 404
    assert "nobody" in answer.body["message"]


async def test_body_above_the_limit(post):
    answer = await post({"job": JOB | {"arguments": ["x" * 70_000]}})
    assert answer.status == 413
    assert "65536" in answer.body["message"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_content_type_is_not_json(post, content_type):
    assert (await post({"job": JOB}, Content_Type=content_type or "application/octet-stream")).status == 415


async def test_quota(post, api):
    await api.ensure_namespace("runai-full")
    quota = {"metadata": {"name": "no-jobs"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    await api.request("POST", "/api/v1/namespaces/runai-full/resourcequotas", quota)
    for _ in range(100):  # the quota counts once its controller has seen it
        _, body = await api.request("GET", "/api/v1/namespaces/runai-full/resourcequotas/no-jobs")
        if body.get("status", {}).get("used"):
            break
        await asyncio.sleep(0.1)
    answer = await post({"job": JOB | {"project": "full"}})
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "quota" in json.dumps(answer.body)


async def test_warnings_travel(post, api):
    await api.ensure_namespace("runai-strict", {"pod-security.kubernetes.io/warn": "restricted"})
    answer = await post({"job": JOB | {"project": "strict", "preemptible": True}})
    assert answer.status == 200
    assert any("preemptible" in warning for warning in answer.warnings)
    assert any("PodSecurity" in warning for warning in answer.warnings)
    assert all(warning.startswith('299 - "') for warning in answer.warnings)


async def test_wrong_method_and_unknown_path_say_what_there_is(service, http):
    usage = USAGE
    async with http.put(service.url + "/api/job") as response:
        assert (response.status, "POST" in response.headers["Allow"]) == (405, True)
        assert await response.json() == {
            "status": 405,
            "code": 405,
            "reason": "MethodNotAllowed",
            "message": "Method Not Allowed",
            "details": usage,
        }
    async with http.post(service.url + "/nothing") as response:
        assert response.status == 404
        assert await response.json() == {
            "status": 404,
            "code": 404,
            "reason": "UnknownPath",
            "message": "Not Found",
            "details": usage,
        }


async def test_the_documents_basic_job_as_it_stands(post):
    body = b"""    {
      "job": {
        "project": "team-a",
        "image": "gcr.io/run-ai-demo/quickstart",
        "gpu": 1
      }
    }"""
    assert (await post(body)).status == 200

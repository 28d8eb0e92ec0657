"""DELETE over the wire, on real servers, as clients of every edition of the old API send it."""

import asyncio
import json
import uuid

import pytest

JOB = {"project": "team-a", "image": "quickstart"}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def delete(service, http):
    async def send(path, body=None, **headers):
        sent = {"RA-USER": "john"} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with http.delete(service.url + path, json=body, headers=sent) as response:
            return response.status, json.loads(await response.read()), dict(response.headers)

    return send


@pytest.fixture
def jobs_named(api):
    async def named(*names):
        _, found = await api.request("GET", "/apis/batch/v1/namespaces/runai-team-a/jobs")
        return {job["metadata"]["name"] for job in found["items"]} & set(names)

    return named


@pytest.mark.parametrize("path", ["/api/job", "/api/v1/job", "/api/v1/jobs", "/researcher/api/v1/jobs"])
async def test_every_edition_deletes_what_it_submitted(post, delete, jobs_named, path):
    name = unique("train")
    assert (await post({"job": JOB | {"name": name}}, path=path)).status == 200
    body = [{"name": name, "project": "team-a"}, {"name": "nobody", "project": "team-a"}]
    status, answer, _ = await delete(path, body)
    assert status == 200
    done, unknown = answer["data"]
    assert done == {"name": name, "ok": True}
    assert (unknown["name"], unknown["ok"], unknown["error"]["status"]) == ("nobody", False, 404)
    assert set(unknown["error"]) >= {"status", "message", "details"}
    assert await jobs_named(name) == set()


async def test_ten_deletes_at_once_are_ten_equal_answers(post, delete, jobs_named):
    name = unique("train")
    await post({"job": JOB | {"name": name}})
    answers = await asyncio.gather(*(delete(f"/api/v1/jobs/team-a/{name}") for _ in range(10)))
    assert {status for status, _, _ in answers} == {200}
    assert [body for _, body, _ in answers] == [answers[0][1]] * 10
    assert {key: answers[0][1][key] for key in ("project", "name")} == {"project": "team-a", "name": name}
    assert await jobs_named(name) == set()


async def test_by_the_id_of_a_202_whichever_of_the_two_comes_first(post, delete, jobs_named):
    accepted = [await post({"job": JOB}, Prefer="respond-async") for _ in range(20)]
    answers = await asyncio.gather(*(delete(f"/api/submissions/{each.body['id']}") for each in accepted))
    assert {status for status, _, _ in answers} == {200}
    assert [body["submission"] for _, body, _ in answers] == [each.body["id"] for each in accepted]
    assert await jobs_named(*(each.body["name"] for each in accepted)) == set()


async def test_what_is_cancelled_before_it_is_sent_is_refused(post, delete, jobs_named):
    key = unique("key")
    first = await post({"job": JOB | {"gpu": 1}}, Idempotency_Key=key, Prefer="respond-async")
    await delete(f"/api/submissions/{first.body['id']}")
    again = await post({"job": JOB | {"gpu": 1}}, Idempotency_Key=key)
    assert again.status in (200, 409)  # made and deleted, or cancelled in time
    assert again.body.get("name", first.body["name"]) == first.body["name"]
    assert await jobs_named(first.body["name"]) == set()


async def test_a_cancel_without_an_outcome_in_time_is_found_at_its_location(post, delete, service, http):
    made = await post({"job": JOB}, Prefer="respond-async")
    status, body, headers = await delete(f"/api/submissions/{made.body['id']}", Prefer="respond-async")
    assert (status, headers["Location"]) == (202, f"/api/submissions/{body['id']}")
    async with asyncio.timeout(30):
        while True:
            async with http.get(service.url + headers["Location"], headers={"RA-USER": "john"}) as response:
                assert response.status in (200, 202)
                if response.status == 200:
                    assert (await response.json())["submission"] == made.body["id"]
                    break
            await asyncio.sleep(0.1)


async def test_a_retry_under_the_same_key_spares_a_later_job_of_the_name(post, delete, jobs_named):
    name, key = unique("train"), unique("key")
    await post({"job": JOB | {"name": name}})
    first = await delete(f"/api/v1/jobs/team-a/{name}", Idempotency_Key=key)
    await post({"job": JOB | {"name": name}})
    assert (await delete(f"/api/v1/jobs/team-a/{name}", Idempotency_Key=key))[:2] == first[:2]
    assert await jobs_named(name) == {name}


async def test_a_dry_run_answers_with_the_objects_and_makes_none(post, jobs_named):
    key = unique("key")
    job = JOB | {"ports": [{"container": 80}], "serviceType": "ingress", "pvc": [{"size": "1G", "path": "/d"}]}
    dry = await post({"job": job}, path="/api/job?dryRun=true", Idempotency_Key=key)
    assert (dry.status, dry.body["dryRun"]) == (200, True)
    assert [each["kind"] for each in dry.body["objects"]] == ["Job", "PersistentVolumeClaim", "Service", "Ingress"]
    assert await jobs_named(dry.body["name"]) == set()
    real = await post({"job": job}, Idempotency_Key=key)
    assert (real.status, real.body) == (200, {"name": dry.body["name"]})
    taken = await post({"job": JOB | {"name": dry.body["name"]}}, path="/api/job?dryRun=true")
    assert (taken.status, taken.body["reason"]) == (409, "NameTaken")

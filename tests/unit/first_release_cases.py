"""What the records and Jobs of the first release's corpus (`tests/upgrade`) say, as whole objects."""

from typing import Any

from service.cluster.job_facts import JobFacts
from service.submission.identity import SubmissionId, record_id
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from tests.unit.given_records import TRACE
from tests.upgrade.record import TOPICS

BUSYBOX = b'{"job": {"project":"team-a",  "image":"busybox"}}\n'
TEAM_A = "/api/job/users/john/projects/team-a"
JSON = "application/json"


def of_post(source: str, own_id: str, job: str, received: float, correlation_id: str, **more: Any) -> Submission:
    identity, body = SubmissionId(source, own_id), b'{"job": %s}' % job.encode()
    given = {"user": "john", "content_type": JSON, "correlation_id": correlation_id}
    return Submission(identity, has_own_id=True, body=body, received=received, **(given | more))


def of_record(own_id: str, body: bytes, received: float, **more: Any) -> Submission:
    return Submission(SubmissionId("/my/scheduler", own_id), has_own_id=True, body=body, received=received, **more)


EVERYTHING = (
    '{"name": "given", "project": "team-a", "image": "quickstart", "gpu": 1, "environment": {"A": "$B"}, '
    '"ttlAfterFinish": "1h", "pvc": [{"size": "1GB", "path": "/data"}], "ports": [{"container": 8080}], '
    '"serviceType": "ingress"}'
)
READ = [
    of_post(
        TEAM_A,
        "monday-run",
        '{"project": "team-a", "image": "busybox", "gpu": 1}',
        1795705316.844,
        "473cf2580f3e400798f498bf7c4f2f9b",
    ),
    of_post(
        TEAM_A,
        "monday-run",
        '{"project": "team-a", "image": "busybox", "gpu": 2}',
        1795705316.886,
        "8050090f79df4567a02faca32b8449f7",
    ),
    of_post(
        TEAM_A,
        "00bec0bbf02a4d88ae2ce1f93bb5b80a",
        '{"project": "team-a", "image": "busybox"}',
        1795705316.901,
        "00bec0bbf02a4d88ae2ce1f93bb5b80a",
    ),
    of_post(TEAM_A, "everything", EVERYTHING, 1795705316.924, "c94cbf24939b4d49b0af4a04cbea8dd6", traceparent=TRACE),
    of_post(
        TEAM_A,
        "taken",
        '{"project": "team-a", "image": "busybox", "name": "given"}',
        1795705316.965,
        "2358be18f34f473da3c3241c833fcd67",
    ),
    of_post(
        "/api/job/users/john/projects/restricted",
        "restricted",
        '{"project": "restricted", "image": "busybox"}',
        1795705316.99,
        "801c204abeb74b1ebc4c4dfb96991eb2",
    ),
    of_post(
        "/api/job/users/john/projects/nowhere",
        "nowhere",
        '{"project": "nowhere", "image": "busybox"}',
        1795705317.012,
        "a2abd3b963f94b3c9f468a40a06b4340",
    ),
    of_post(
        "/api/job/users/j%C3%B6hn%40example.com/projects/team-a",
        "short",
        '{"project": "team-a", "image": "busybox", "ttlAfterFinish": "0s"}',
        1795705317.095,
        "2818161542f845d18c88d47557a597ac",
        user="jöhn@example.com",
    ),
    Submission(record_id(TOPICS[0], 0, 8, 1795705317126), has_own_id=False, body=BUSYBOX, received=1795705317.126),
    of_record(
        "run-42", BUSYBOX, 1795705317.13, traceparent=TRACE, user="john", content_type=JSON, correlation_id="run-42"
    ),
    of_record("faulty", b'{"job": {"project": "team-a", "gpu": -1}}', 1795705317.133),
    of_record("no-json", b"not json", 1795705317.144),
    of_record("too-large", b" " * 1025, 1795705317.148),
    of_record("empty", b"", 1795705317.151),
    Submission(
        record_id(TOPICS[0], 0, 14, 1795705317154),
        has_own_id=False,
        body=BUSYBOX,
        received=1795705317.154,
        correlation_id="nobody",
        identity_fault="header ce_id must be of 1 to 1024 bytes, not 0",
    ),
]

VIOLATION = (
    'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "job" must '
    'set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "job" must set '
    'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "job" must set '
    'securityContext.runAsNonRoot=true), seccompProfile (pod or container "job" must set '
    'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)
TOLD = [
    Outcome(
        SubmissionId(TEAM_A, "monday-run"),
        200,
        {"name": "job-gh7wv4z6jwds"},
        "89f8d3f2956a51f9db8ef927717bf6d9d5d11c97cd0bf85a72afb53fc61ed0f7",
        user="john",
        correlation_id="473cf2580f3e400798f498bf7c4f2f9b",
    ),
    Outcome(
        SubmissionId(TEAM_A, "monday-run"),
        422,
        {
            "status": 422,
            "message": "the id of this submission was used before for another request, "
            "which made the Job job-gh7wv4z6jwds: use a new one",
            "details": "the id is the Idempotency-Key of a POST, ce_source and ce_id of a record",
        },
        "53eac98945cd8e727244e7a1d6df0e28548ea6c252905f4c8866b200ab33b041",
        user="john",
        correlation_id="8050090f79df4567a02faca32b8449f7",
        is_aside=True,
    ),
    Outcome(
        SubmissionId(TEAM_A, "00bec0bbf02a4d88ae2ce1f93bb5b80a"),
        200,
        {"name": "job-h5eaifuoc5sr"},
        "16ca0531a57bd9589e881fa9956b9c287c540ce6ab9b4567214eaf2c2c2ebc33",
        user="john",
        correlation_id="00bec0bbf02a4d88ae2ce1f93bb5b80a",
    ),
    Outcome(
        SubmissionId(TEAM_A, "everything"),
        200,
        {"name": "given"},
        "84b4aa9688669bd18d01d0ef7445df6ffb8a35e1e987130fcbe2564f1d7b0e3e",
        user="john",
        correlation_id="c94cbf24939b4d49b0af4a04cbea8dd6",
        traceparent=TRACE,
    ),
    Outcome(
        SubmissionId(TEAM_A, "taken"),
        409,
        {
            "status": 409,
            "message": "the name given is taken by another job",
            "details": "give another name, or jobNamePrefix; what may be sent again needs an Idempotency-Key, or "
            "ce_id on the topic",
        },
        "0ad5b33994dba091fb7140e3684a5f7db11280d2c31501fe6aa1a4f2dd6c783b",
        user="john",
        correlation_id="2358be18f34f473da3c3241c833fcd67",
    ),
    Outcome(
        SubmissionId("/api/job/users/john/projects/restricted", "restricted"),
        200,
        {"name": "job-2tysmd3zsvgr"},
        "f0c8a1df43fa3f50650bfad96b1ef44a5a26443f17aabf5c1959f7c8b9dae251",
        user="john",
        correlation_id="801c204abeb74b1ebc4c4dfb96991eb2",
        warnings=(VIOLATION,),
    ),
    Outcome(
        SubmissionId("/api/job/users/john/projects/nowhere", "nowhere"),
        404,
        {
            "status": 404,
            "message": "the project nowhere is unknown: there is no namespace runai-nowhere",
            "details": 'namespaces "runai-nowhere" not found',
        },
        "b028494e683c7e6bcc4849b2716f528abed64738bd96475d9fb48474c1f6f51d",
        user="john",
        correlation_id="a2abd3b963f94b3c9f468a40a06b4340",
    ),
    Outcome(
        SubmissionId("/api/job/users/j%C3%B6hn%40example.com/projects/team-a", "short"),
        200,
        {"name": "job-w7ymay2ujfu4"},
        "34527c8c21121407a96545225896773655495afaaa1965dba1565ed9bad6c7ac",
        user="jöhn@example.com",
        correlation_id="2818161542f845d18c88d47557a597ac",
    ),
    Outcome(
        SubmissionId("/my/scheduler", "faulty"),
        400,
        {
            "status": 400,
            "message": "job.image: is required (and 1 more, see details)",
            "details": [
                {"path": "job.image", "message": "is required"},
                {"path": "job.gpu", "message": "must be a number of GPUs from 0 to 1000000"},
            ],
        },
        "114a21c1823cdbda0c671af594335b80eacd828520259fdd1b36ed6d44beb41b",
    ),
    Outcome(
        SubmissionId("/my/scheduler", "no-json"),
        400,
        {
            "status": 400,
            "message": "The body cannot be read as JSON: invalid literal, expected 'null', at line 1, column 1",
            "details": [
                {
                    "path": "",
                    "message": "The body cannot be read as JSON: invalid literal, expected 'null', at line 1, column 1",
                }
            ],
        },
        "7ccfa1fbf3940e6f0c0375d87c0f9235a50514e14cb427bdfaf5077987b26ccf",
    ),
    Outcome(
        SubmissionId("/my/scheduler", "too-large"),
        413,
        {"status": 413, "message": "the body is larger than 1024 bytes"},
        "3eaf89906b89a114e87304d01863806529f19d1910ef904e585cc0c2a3f170b9",
    ),
    Outcome(
        SubmissionId("/my/scheduler", "empty"),
        400,
        {"status": 400, "message": "The body is empty", "details": [{"path": "", "message": "The body is empty"}]},
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    Outcome(
        record_id(TOPICS[0], 0, 8, 1795705317126),
        200,
        {"name": "job-cfxhnu5qb3cb"},
        "16ca0531a57bd9589e881fa9956b9c287c540ce6ab9b4567214eaf2c2c2ebc33",
    ),
    Outcome(
        SubmissionId("/my/scheduler", "run-42"),
        200,
        {"name": "job-75hbng7abuua"},
        "16ca0531a57bd9589e881fa9956b9c287c540ce6ab9b4567214eaf2c2c2ebc33",
        user="john",
        correlation_id="run-42",
        traceparent=TRACE,
    ),
]


def facts(name: str, uid: str, key: str, created_at: int, **more: Any) -> JobFacts:
    nothing_yet: dict[str, Any] = dict.fromkeys(("started_at", "finished_at", "deleting_at", "queue", "priority_class"))
    plain = {
        "namespace": "runai-team-a",
        "partition": None,
        "project": "team-a",
        "user": "john",
        "traceparent": None,
        "interactive": False,
        "suspended": False,
        "completions": 1,
        "parallelism": 1,
        "succeeded": 0,
        "failed": 0,
        "image": "busybox",
        "gpus": 0,
        "node_selector": (),
        "claims": (),
        "conditions": {},
    }
    return JobFacts(uid=uid, name=name, submission=key, created_at=created_at, **(nothing_yet | plain | more))


FACTS = [
    facts(
        "given",
        "b5760973-28a5-4160-b4a1-ca69cf872892",
        "3a5m2ej4jczpp6vsp67fgh4oz7nb5gjtvyboeuyuzi5t7tp24afa",
        1795705316000,
        traceparent=TRACE,
        gpus=1,
        claims=("pvc-given-0",),
        image="quickstart",
    ),
    facts(
        "job-75hbng7abuua",
        "0c1a968f-a3eb-4804-8787-fecafc5d348f",
        "75hbng7abuuafx6mbootzbpuqagm27wynpe3edwtcsw2by5aewha",
        1795705317000,
        traceparent=TRACE,
    ),
    facts(
        "job-cfxhnu5qb3cb",
        "1267e572-25d5-49a9-bd24-c45a8661faf0",
        "cfxhnu5qb3cbwk2iijvii6ov5d4yk5ksnnlsmri7o54cj26mojea",
        1795705317000,
        user=None,
    ),
    facts(
        "job-gh7wv4z6jwds",
        "0dcfee24-958e-477a-bb29-b7ab877012cd",
        "gh7wv4z6jwdsmt46svh3iekizkfucni6xem2tseu2qe2wmprmm3a",
        1795705316000,
        gpus=1,
    ),
    facts(
        "job-h5eaifuoc5sr",
        "c1e4886e-3d31-4900-98f4-c6765d22bada",
        "h5eaifuoc5srzdi6atq3lajwpblgxmjdbf4ix4admytrhxny5q7q",
        1795705316000,
    ),
    facts(
        "job-w7ymay2ujfu4",
        "129bed41-dafd-4de9-9630-3010599b96dd",
        "w7ymay2ujfu4iqqxc2b5zl75xa25e6qjuxqhejvubm7i2f42ucpq",
        1795705317000,
        user="jöhn@example.com",
    ),
    facts(
        "job-2tysmd3zsvgr",
        "5c45c6c3-480b-4fbc-8dd0-3bfff90b8a69",
        "2tysmd3zsvgr2phqha2liidz6nppjamk3yqvymncvbmnmpsoqcrq",
        1795705317000,
        project="restricted",
        namespace="runai-restricted",
    ),
]

"""The way back from the dead-letter topic, with the command line a person has."""

import asyncio
import json
import os
import re
import sys
import uuid

from service.submission.dead_letters import dead_letter_record
from service.submission.identity import generated_name, record_id
from service.submission.records import Record

BODY = b'{"job": {"project": "team-a", "image": "quickstart"}}'


async def command(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "dead-letters", *arguments),
        env=os.environ | environment | {"TOPICS_DEAD_LETTERS": environment["TOPICS_DEAD_LETTERS"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_list_show_and_replay_keep_the_identity(topic, environment, api):
    offset = uuid.uuid4().int % 10**9  # a record that was identified by an offset it has no more
    original = Record(environment["TOPICS_SUBMISSIONS"], 3, offset, 1_700_000_000_000, b"k", BODY, (("x", b"\xff"),))
    letter = dead_letter_record(original, "Defect", "boom\n", environment["TOPICS_DEAD_LETTERS"], 3)
    sent = await topic.producer.send_and_wait(letter.topic, letter.value, letter.key, headers=list(letter.headers))
    name = f"{sent.partition}-{sent.offset}"

    code, listed, _ = await command(environment, "list", name)
    assert code == 0
    assert re.fullmatch(rf"{name}  \S+  {original.topic} 3-{offset}  tried 3x  Defect: boom\\n\n", listed)

    code, shown, _ = await command(environment, "show", name)
    assert code == 0
    letter_shown = json.loads(shown)
    letter_shown.pop("time")
    assert letter_shown == {
        "place": name,
        "error": "Defect: boom\n",
        "attempts": 3,
        "original": {"topic": original.topic, "partition": 3, "offset": offset, "time": "2023-11-14T22:13:20+00:00"},
        "key": "k",
        "headers": [["x", "\\xff"]],
        "value": BODY.decode(),
    }

    identity = record_id(original.topic, 3, offset, original.timestamp)
    for _ in range(2):
        code, replayed, _ = await command(environment, "replay", name)
        assert (code, replayed.startswith(f"{name} replayed to {original.topic} 3-")) == (0, True)
    outcome = await topic.outcome(identity.key)
    assert json.loads(outcome.value) == {"name": generated_name(None, identity)}
    await api.job(generated_name(None, identity))


async def test_an_unknown_name_is_an_error(service, environment):
    assert await command(environment, "show", "0-999999") == (
        1,
        "",
        "job-submission: there is no dead letter 0-999999\n",
    )


async def test_replaying_everything_has_to_be_said(environment):
    code, _, complaint = await command(environment, "replay")
    assert code == 2
    assert "PARTITION-OFFSET" in complaint

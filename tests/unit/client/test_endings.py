"""What `jobsub` does where its surroundings are not as they should be: words and an exit code, never a traceback."""

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import click
import pytest
import trustme
import yaml
from aiohttp import web

from devstack.ports import free_port
from job_submission.cli import configuration as module
from job_submission.cli.configuration import configuration
from job_submission.cli.main import COMMANDS, cli
from tests.unit.client.test_connection import DONE, error, serving
from tests.unit.client.test_timeout import STATE

JOBSUB = Path(sys.executable).parent / "jobsub"
SUBMIT = ("submit", "-p", "team-a", "-i", "x")


class Jobsub:
    """Runs `jobsub` with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def environment(self, url: str, **more: str) -> dict[str, str]:
        """That of somebody who has nothing but an address."""
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "JOBSUB_URL": url, "JOBSUB_USER": "john", **more,
        }  # fmt: skip

    async def start(
        self, *line: str | bytes, url: str = "http://127.0.0.1:1", **more: str
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(str(JOBSUB), *line),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment(url, **more),
        )

    async def __call__(
        self, *line: str | bytes, url: str = "http://127.0.0.1:1", **more: str
    ) -> tuple[int | None, str, str]:
        """Return the exit code, what was printed and what was said."""
        process = await self.start(*line, url=url, **more)
        out, words = await asyncio.wait_for(process.communicate(), 30)
        assert b"Traceback" not in words, words.decode()
        return process.returncode, out.decode(errors="replace"), words.decode(errors="replace")


@pytest.fixture
def jobsub(tmp_path) -> Jobsub:
    return Jobsub(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_of_a_command_what_it_says_itself(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.name, command.get_short_help_str(200)) == (name, COMMANDS[name].help)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (DONE, 0),
        (error(500, "Internal"), 1),
        ((404, "<html>nginx", {}), 1),
        (error(400, "InvalidParameter"), 3),
        (error(401, "Unauthorized"), 3),
        (error(403, "Forbidden"), 3),
        (error(422, "IdReused"), 3),
        (error(429, "QuotaExceeded"), 3),
    ],
)
async def test_an_answer_has_its_exit_code(jobsub, answer, code):
    async with serving(answer) as (_, url):
        ended, out, words = await jobsub(*SUBMIT, url=url)
    assert (ended, out) == (code, "job-x\n" if code == 0 else "")
    assert words


async def test_ctrl_c_ends_it_as_a_shell_expects_and_tells_the_key(jobsub):
    reached = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        reached.set()
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.01)
        return web.Response()

    async with serving(silent) as (script, url):
        process = await jobsub.start(*SUBMIT, url=url)
        await asyncio.wait_for(reached.wait(), 30)
        process.send_signal(signal.SIGINT)
        out, words = await asyncio.wait_for(process.communicate(), 30)
        key = script.requests[0][2]["Idempotency-Key"]
        assert (process.returncode, out) == (-signal.SIGINT, b"")
        assert words.decode() == (
            f"the same line with --idempotency-key {key} goes on with this submission, and makes no second job\n"
        )


async def test_a_reader_that_has_enough_ends_it_without_a_word(jobsub):
    """As `head` does: it is no failure of the job, and a shell with pipefail sees 141."""
    page = {"data": [{**STATE, "name": f"job-{number}"} for number in range(5000)], "next": None}
    async with serving((200, page, {})) as (_, url):
        process = await asyncio.create_subprocess_exec(
            *("bash", "-o", "pipefail", "-c", f"{JOBSUB} list | head -1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=jobsub.environment(url),
        )
        out, words = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out.split()[:2], words) == (128 + signal.SIGPIPE, [b"NAME", b"STATUS"], b"")


@pytest.mark.parametrize(
    ("line", "environment", "words"),
    [
        (("list",), {"JOBSUB_URL": "127.0.0.1:8080"}, "'127.0.0.1:8080' must be an address such as"),
        (("list",), {"ALL_PROXY": "socks5://127.0.0.1:1"}, "socks"),
        (("list",), {"HTTP_PROXY": "mailto:x"}, "proxy"),
        (("list",), {"JOBSUB_TOKEN": "a\nb"}, "must be one line"),
        (("list",), {"JOBSUB_CONFIG": "/"}, "/ cannot be read"),
        (("list",), {"JOBSUB_CONFIG": "~nobody-here/x"}, "no home directory"),
        (("list", "--ca-file", "/nowhere"), {}, "/nowhere holds no certificates that can be read"),
        ((*SUBMIT, "-e", b"A=\xff"), {}, "is no text in the encoding of this locale"),
        ((*SUBMIT, "--kafka", "x:1", "--signing-key", "/nowhere"), {}, "/nowhere cannot be read"),
        ((*SUBMIT, "--kafka", "x:1", "--signing-key", __file__), {}, "must hold a private JWK with a kid"),
        (("describe", "x"), {}, "Give -p, JOBSUB_PROJECT or a context with one"),
        (("submit", "--completions", "many"), {}, "must be a whole number"),
        (("nothing-like-it",), {}, "No such command"),
    ],
)
async def test_a_wrong_usage_is_exit_code_2_and_says_what_is_wrong(jobsub, line, environment, words):
    code, out, said = await jobsub(*line, **environment)
    assert (code, out) == (2, "")
    assert words.lower() in said.lower()


async def test_a_service_that_is_not_there_is_told_at_once_while_it_is_tried_again(jobsub):
    url = f"http://127.0.0.1:{free_port()}"
    process = await jobsub.start(*SUBMIT, url=url)
    first = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
    process.send_signal(signal.SIGINT)
    out, words = await asyncio.wait_for(process.communicate(), 30)
    assert first.startswith(f"{url} does not answer: ")
    assert "; trying again for " in first
    assert (process.returncode, out, b"--idempotency-key" in words) == (-signal.SIGINT, b"", True)


@pytest.mark.parametrize("form", ["json", "table"])
async def test_an_output_that_has_no_such_letters_gets_escapes(jobsub, form):
    state = {**STATE, "user": "jörg 日本 😀"}
    async with serving((200, {"data": [state], "next": None}, {})) as (_, url):
        code, out, _ = await jobsub("list", "-o", form, url=url, PYTHONIOENCODING="latin-1")
    assert code == 0
    if form == "json":
        assert [job["user"] for job in json.loads(out)] == ["jörg 日本 😀"]
    else:
        assert "j\ufffdrg \\u65e5\\u672c \\U0001f600" in out  # the first of them latin-1 has


async def test_a_proxy_of_the_environment_is_used_unless_told_otherwise(jobsub):
    answer = (200, {"data": []}, {})
    async with serving(answer, answer) as (script, url):
        proxy = url.removesuffix("/base")
        assert (await jobsub("projects", url="http://jobs.invalid", HTTP_PROXY=proxy))[0] == 0
        host = script.requests[0][2]["Host"]
        there = await jobsub("projects", url=url, HTTP_PROXY="http://127.0.0.1:1", NO_PROXY="127.0.0.1")
    assert (host, there[0]) == ("jobs.invalid", 0)


async def test_a_private_authority_is_given_by_flag_environment_or_context(jobsub, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def projects(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"name": "team-a"}]})

    app = web.Application()
    app.router.add_get("/api/v1/projects", projects)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    url, line = f"https://127.0.0.1:{port}", ("projects", "-o", "name")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"current": "a", "contexts": {"a": {"url": url, "caFile": "~/ca.pem"}}}))
    try:
        assert await jobsub(*line, "--ca-file", str(tmp_path / "ca.pem"), url=url) == (0, "team-a\n", "")
        assert await jobsub(*line, url=url, JOBSUB_CA_FILE="~/ca.pem") == (0, "team-a\n", "")
        assert await jobsub(*line, url="", JOBSUB_CONFIG=str(config)) == (0, "team-a\n", "")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("contexts: {a: {url: 8080}}", "url of context a must be text"),
        ("contexts: {a: {uri: x}}", "has uri, which is none of"),
        ("contexts: {b: {}}", "has no context a; it has b"),
        ("contexts: [a]", "cannot be read"),
        ("- a", "cannot be read"),
        ("a: [", "cannot be read"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_faulty_file_of_contexts_is_a_wrong_usage(tmp_path, text, words):
    file = tmp_path / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(click.UsageError) as refused:
        configuration({"context": "a"}, {"JOBSUB_CONFIG": str(file)})
    assert words in refused.value.format_message()


def test_a_user_without_a_home_needs_none(monkeypatch):
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert configuration({"url": "http://x", "user": "john"}, {}) == module.Configuration(
        url="http://x", project=None, user="john", token=None, kafka=None
    )


@pytest.mark.parametrize(
    ("flags", "environment", "kafka"),
    [
        ({}, {}, "of-the-context:1"),
        ({}, {"JOBSUB_KAFKA": "of-the-environment:1"}, "of-the-environment:1"),
        ({"kafka": "of-the-flag:1"}, {"JOBSUB_KAFKA": "of-the-environment:1"}, "of-the-flag:1"),
        ({"kafka": ""}, {"JOBSUB_KAFKA": "of-the-environment:1"}, None),
    ],
)
def test_a_flag_counts_before_the_environment_and_that_before_the_context(tmp_path, flags, environment, kafka):
    file = tmp_path / "config.yaml"
    file.write_text("{current: a, contexts: {a: {kafka: 'of-the-context:1', signingKey: /key, caFile: /ca}}}")
    found = configuration(flags, {"JOBSUB_CONFIG": str(file), "USER": "john", **environment})
    assert found == module.Configuration(None, None, "john", None, kafka, Path("/ca"), Path("/key"))

"""The command line: help, pages, and faulty settings named all at once."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.service import ServiceProcess
from service.__main__ import PAGES, ROLES, main
from service.manifests.profiles import PROFILES
from service.settings import FaultySettings, read_settings
from service.settings.whole import groups
from tests.unit.kube_servers import kubeconfig

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("arguments", [["--help"], *([role, "--help"] for role in ROLES)])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "job-submission" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES)
def test_every_generated_page_is_the_one_in_the_docs(page, capsys):
    assert main([page]) == 0
    assert capsys.readouterr().out == (DOCS / f"{page}.md").read_text()


def test_every_setting_has_a_sentence():
    for group in groups().values():
        assert group.__doc__
        for name, field in group.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name


def test_all_faulty_settings_at_once(monkeypatch):
    monkeypatch.setenv("HTTP_PORT", "eighty")
    monkeypatch.setenv("KUBE_NAMESPACE_TEMPLATE", "fixed")
    monkeypatch.setenv("KAFKA_LINGER_MS", "-1")
    with pytest.raises(FaultySettings) as caught:
        read_settings()
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "KAFKA_LINGER_MS",
        "KUBE_NAMESPACE_TEMPLATE",
        "HTTP_PORT",
    ]


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        (
            {"SECURITY_PROTOCOL": "SASL_SSL"},
            [f"KAFKA_SASL_{name}: is needed for the protocol SASL_SSL" for name in ("USERNAME", "PASSWORD")],
        ),
        (
            {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_USERNAME": "john", "SASL_PASSWORD": ""},
            ["KAFKA_SASL_PASSWORD: is needed for the protocol SASL_PLAINTEXT"],
        ),
        (
            {"SECURITY_PROTOCOL": "SSL", "SSL_CA_FILE": "/nowhere/ca.crt"},
            ["KAFKA_SSL_CA_FILE: Path does not point to a file"],
        ),
        (
            {"SECURITY_PROTOCOL": "SSL", "SSL_KEY_FILE": __file__},
            ["KAFKA_SSL_KEY_FILE: needs KAFKA_SSL_CERT_FILE beside it"],
        ),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "john", "SASL_PASSWORD": "x"}, []),
    ],
)
def test_half_a_login_or_certificate_is_a_faulty_setting(given, faults, monkeypatch, capsys):
    for name, value in given.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)
    if not faults:
        assert read_settings()
        return
    assert main(["topics"]) == 2
    assert capsys.readouterr().err == "".join(f"job-submission: {fault}\n" for fault in faults)


@pytest.mark.parametrize(
    ("template", "good"),
    [
        ("runai-{project}", True),
        ("{project}", True),
        ("{project}-jobs", True),
        ("fixed", False),
        ("{project}-{project}", False),
        ("{project}-{user}", False),
        ("{project}}", False),
    ],
)
def test_namespace_template(monkeypatch, template, good):
    monkeypatch.setenv("KUBE_NAMESPACE_TEMPLATE", template)
    if good:
        assert read_settings().kube.namespace_template == template
    else:
        with pytest.raises(FaultySettings):
            read_settings()


@pytest.mark.parametrize("name", PROFILES)
def test_a_scheduler_profile_is_set_by_its_name(monkeypatch, name):
    monkeypatch.setenv("KUBE_SCHEDULER_PROFILE", name)
    assert read_settings().kube.scheduler_profile is PROFILES[name]


def test_reply_topics_are_a_list(monkeypatch):
    monkeypatch.setenv("TOPICS_REPLY_ALLOWED", "a, b,,c")
    assert read_settings().topics.reply_allowed == {"a", "b", "c"}


NO_KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "HTTP_PORT": "0", "METRICS_PORT": "0"}
SECRET = "a-token-in-plain-text"


def run(role: str, settings: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "service", role]
    ended = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"HTTP_PORT": "x"}, "HTTP_PORT: "),
        ({"HTTP_HOST": ""}, "HTTP_HOST: "),
        ({"HTTP_HOST": "nowhere.invalid"}, "HTTP_HOST: nowhere.invalid is no address of this machine"),
        ({"METRICS_HOST": "192.0.2.1"}, "METRICS_HOST: 192.0.2.1 is no address of this machine"),
        ({"HTTP_PORT": "9090", "METRICS_PORT": "9090"}, "HTTP_PORT: must be another port than METRICS_PORT, 9090"),
        ({"HTTP_MAX_BODY_BYTES": "0"}, "HTTP_MAX_BODY_BYTES: "),
        ({"SUBMISSION_MAX_PORTS": "0"}, "SUBMISSION_MAX_PORTS: "),
        ({"HTTP_WAIT_SECONDS": "inf"}, "HTTP_WAIT_SECONDS: "),
        ({"HTTP_WAIT_SECONDS": "nan"}, "HTTP_WAIT_SECONDS: "),
        ({"HTTP_TOKENS_FILE": ""}, "HTTP_TOKENS_FILE: . cannot be read: Is a directory"),
        ({"HTTP_TOKENS_FILE": "/nowhere"}, "HTTP_TOKENS_FILE: /nowhere cannot be read: No such file or directory"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: "),
    ],
)
def test_a_faulty_setting_ends_the_process_with_one_line_and_2(settings, fault):
    code, said = run("ingress", NO_KAFKA | settings)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"job-submission: {fault}")


def test_nothing_of_a_faulty_tokens_file_is_printed(tmp_path):
    (tmp_path / "tokens").write_text(f'{{"tokens": [{{"sha256": "{SECRET}"}}]}}')
    code, said = run("ingress", NO_KAFKA | {"HTTP_TOKENS_FILE": str(tmp_path / "tokens")})
    assert (code, said.count("\n"), SECRET in said) == (2, 1, False)


@pytest.mark.parametrize("prefix", ["HTTP", "METRICS"])
def test_a_taken_port_ends_the_process_with_one_line_that_names_it(prefix):
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = str(other.getsockname()[1])
        settings = NO_KAFKA | {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": number, "LOG_FORMAT": "json"}
        code, said = run("ingress", settings)
    assert (code, said.count("\n")) == (1, 1)
    assert json.loads(said)["reason"].endswith(
        f"Address already in use: 127.0.0.1:{number} ({prefix}_HOST, {prefix}_PORT)"
    )


@pytest.mark.parametrize("role", ["consumer", "all"])
def test_a_faulty_login_to_kubernetes_ends_the_process_with_2(role, tmp_path):
    (tmp_path / "kubeconfig").write_text("")
    code, said = run(role, NO_KAFKA | {"KUBE_CONFIG_FILE": str(tmp_path / "kubeconfig")})
    assert (code, said) == (
        2,
        f"job-submission: KUBE_CONFIG_FILE: {tmp_path}/kubeconfig is empty, or no kubeconfig\n",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the scheduling policies are Linux'")
@pytest.mark.parametrize(
    ("role", "policy"), [("ingress", "SCHED_OTHER"), ("consumer", "SCHED_BATCH"), ("all", "SCHED_OTHER")]
)
def test_a_consumer_alone_waits_for_the_cpu(role, policy, tmp_path):
    login = str(kubeconfig(tmp_path, "http://127.0.0.1:1", {"token": "t"}))
    service = ServiceProcess(role, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KUBE_CONFIG_FILE": login})
    try:
        service.wait_for("probes-listening")
        assert os.sched_getscheduler(service.pid) == getattr(os, policy)
    finally:
        assert service.stop() == 0

"""Who may submit: the whole table."""

from hashlib import sha256

import pytest

from service.auth.principal import Principal
from service.auth.tokens import Token, TokenList, UnreadableTokens, authenticate
from service.submission.rejection import SubmissionRejected

TOKENS = TokenList(
    tokens=(
        Token(sha256=sha256(b"johns").hexdigest(), user="john", projects=("team-a", "lab-*")),
        Token(sha256=sha256(b"roots").hexdigest(), user="root", projects=("*",)),
    )
)
JOHN = Principal("john", ("team-a", "lab-*"))


@pytest.mark.parametrize(
    ("ra_user", "authorization", "tokens", "expected"),
    [
        ("john", None, None, Principal("john")),
        ("  john ", "Bearer whatever", None, Principal("john")),
        (None, None, None, 401),
        ("", None, None, 401),
        ("  ", None, None, 401),
        ("jo\x00hn", None, None, 401),
        ("j" * 253, None, None, Principal("j" * 253)),
        ("j" * 254, None, None, 401),
        ("john", "Bearer johns", TOKENS, JOHN),
        ("john", "bearer  johns ", TOKENS, JOHN),
        (None, "Bearer johns", TOKENS, JOHN),
        ("mary", "Bearer johns", TOKENS, 403),
        ("john", None, TOKENS, 401),
        ("john", "Bearer", TOKENS, 401),
        ("john", "Bearer ", TOKENS, 401),
        ("john", "Bearer nothing", TOKENS, 401),
        ("john", "Basic johns", TOKENS, 401),
        ("john", "Bearer \udcff", TOKENS, 401),
        ("john", "Bearer " + sha256(b"johns").hexdigest(), TOKENS, 401),
    ],
)
def test_authenticate(ra_user, authorization, tokens, expected):
    if isinstance(expected, Principal):
        assert authenticate(ra_user, authorization, tokens) == expected
        return
    with pytest.raises(SubmissionRejected) as caught:
        authenticate(ra_user, authorization, tokens)
    assert caught.value.rejection.status == expected


@pytest.mark.parametrize(
    ("principal", "project", "allowed"),
    [
        (Principal("john"), "anything", True),
        (JOHN, "team-a", True),
        (JOHN, "lab-7", True),
        (JOHN, "team-ab", False),
        (JOHN, "Team-a", False),
        (Principal("x", ()), "team-a", False),
    ],
)
def test_projects(principal, project, allowed):
    if allowed:
        principal.require(project)
        return
    with pytest.raises(SubmissionRejected) as caught:
        principal.require(project)
    assert caught.value.rejection.body() == {
        "status": 403,
        "code": 403,
        "reason": "Forbidden",
        "message": f"user {principal.user} is not allowed to submit to project {project}",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"tokens": [{"sha256": "abc", "user": "u", "projects": ["*"]}]}', "tokens[0].sha256: "),
        ('{"tokens": [{"sha256": "%s\\n", "user": "u", "projects": ["*"]}]}' % ("0" * 64), "tokens[0].sha256: "),
        ('{"tokens": [{"sha256": "%s", "user": "", "projects": ["*"]}]}' % ("0" * 64), "tokens[0].user: "),
        ('{"tokens": [{"sha256": "%s", "user": "u", "projects": []}]}' % ("0" * 64), "tokens[0].projects: "),
        ('{"tokens": [], "token": []}', "?: a field that a tokens file does not have"),
        ("[]", ""),
        ("", "Invalid JSON"),
    ],
)
def test_a_faulty_list_is_refused(text, complaint):
    with pytest.raises(UnreadableTokens) as caught:
        TokenList.read(text.encode())
    assert str(caught.value).startswith(complaint)


def test_of_two_entries_for_a_token_the_first_counts():
    entries = [Token(sha256=sha256(b"t").hexdigest(), user=user, projects=("*",)) for user in ("john", "mary")]
    assert authenticate(None, "Bearer t", TokenList(tokens=tuple(entries))).user == "john"

"""Who asks, by the headers of a request and a list of tokens: the whole table."""

from hashlib import sha256

import pytest

from service.auth.authentication import authenticate
from service.auth.principal import Principal
from service.auth.tokens import Token, TokenList
from service.auth.watched_file import UnreadableFile
from service.submission.rejection import SubmissionRejected

TOKENS = TokenList(
    tokens=(
        Token(sha256=sha256(b"johns").hexdigest(), user="john", projects=("team-a", "lab-*")),
        Token(sha256=sha256(b"roots").hexdigest(), user="root", projects=("*",)),
    )
)
JOHN = Principal("john", projects=("team-a", "lab-*"))


class Listed:
    """Verifies by the list."""

    async def verify(self, token: str) -> Principal:
        return TOKENS.owner(token)


LISTED = Listed()


def claimed(user: str) -> Principal:
    return Principal(user, is_verified=False)


@pytest.mark.parametrize(
    ("ra_user", "authorization", "verifier", "expected"),
    [
        ("john", None, None, claimed("john")),
        ("  john ", "Bearer whatever", None, claimed("john")),
        (None, None, None, 401),
        ("", None, None, 401),
        ("  ", None, None, 401),
        ("jo\x00hn", None, None, 401),
        ("j" * 253, None, None, claimed("j" * 253)),
        ("j" * 254, None, None, 401),
        ("john", "Bearer johns", LISTED, JOHN),
        ("john", "bearer  johns ", LISTED, JOHN),
        (None, "Bearer johns", LISTED, JOHN),
        ("mary", "Bearer johns", LISTED, 403),
        ("john", None, LISTED, 401),
        ("john", "Bearer", LISTED, 401),
        ("john", "Bearer ", LISTED, 401),
        ("john", "Bearer nothing", LISTED, 401),
        ("john", "Basic johns", LISTED, 401),
        ("john", "Bearer \udcff", LISTED, 401),
        ("john", "Bearer " + sha256(b"johns").hexdigest(), LISTED, 401),
    ],
)
async def test_authenticate(ra_user, authorization, verifier, expected):
    if isinstance(expected, Principal):
        assert await authenticate(ra_user, authorization, verifier) == expected
        return
    with pytest.raises(SubmissionRejected) as caught:
        await authenticate(ra_user, authorization, verifier)
    assert caught.value.rejection.status == expected


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
    with pytest.raises(UnreadableFile) as caught:
        TokenList.read(text.encode())
    assert str(caught.value).startswith(complaint)


def test_of_two_entries_for_a_token_the_first_counts():
    entries = [Token(sha256=sha256(b"t").hexdigest(), user=user, projects=("*",)) for user in ("john", "mary")]
    assert TokenList(tokens=tuple(entries)).owner("t").user == "john"

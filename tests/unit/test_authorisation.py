"""What the sender of a request may do, asked of an authoriser."""

import pytest

from service.auth.authorisation import ByCredential, Rights, Verb
from service.auth.principal import Principal
from service.submission.rejection import SubmissionRejected

JOHN = Principal("john", projects=("team-a", "lab-*"))


@pytest.mark.parametrize(
    ("principal", "project", "allowed"),
    [
        (Principal("john"), "anything", True),
        (JOHN, "team-a", True),
        (JOHN, "lab-7", True),
        (JOHN, "team-ab", False),
        (JOHN, "Team-a", False),
        (Principal("x", projects=()), "team-a", False),
    ],
)
@pytest.mark.parametrize("verb", Verb)
async def test_a_credential_is_good_for_its_projects_whatever_is_done_there(verb, principal, project, allowed):
    assert await ByCredential().allowed(principal, verb, [project]) == ({project} if allowed else set())


async def test_of_many_projects_those_are_left_in_which_it_is_allowed():
    rights = Rights(ByCredential(), JOHN, Verb.LIST)
    assert await rights.among(["team-a", "team-b", "lab-1", "lab"]) == {"team-a", "lab-1"}


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (Verb.CREATE, "user john is not allowed to submit to project team-b"),
        (Verb.GET, "user john is not allowed to see jobs of project team-b"),
        (Verb.LIST, "user john is not allowed to list jobs of project team-b"),
        (Verb.DELETE, "user john is not allowed to delete jobs of project team-b"),
        (Verb.LOGS, "user john is not allowed to read the logs of project team-b"),
    ],
)
async def test_a_refusal_says_who_may_not_do_what_and_where(verb, sentence):
    rights = Rights(ByCredential(), JOHN, verb)
    await rights.require("team-a")
    with pytest.raises(SubmissionRejected) as caught:
        await rights.require("team-b")
    assert caught.value.rejection.body() == {"status": 403, "code": 403, "reason": "Forbidden", "message": sentence}


def test_submissions_are_kept_to_their_users_where_users_are_verified():
    claimed = Principal("john", is_verified=False)
    assert [Rights(ByCredential(), who, Verb.GET).only_own() for who in (JOHN, claimed)] == ["john", None]

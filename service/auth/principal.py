"""Who sent a request."""

from dataclasses import dataclass
from typing import Final

from service.submission.signatures import matches

MAX_USER_LENGTH: Final = 253


def is_user(name: str) -> bool:
    """Tell whether `name` can be the name of a user: it stands in headers of records and in lines of the log."""
    return 0 < len(name) <= MAX_USER_LENGTH and name.isprintable()


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a request, with what their credential says of them.

    `is_verified` is False where the header `RA-USER` was taken at its word. `extra` is what the cluster knows besides
    (`status.user.extra` of a TokenReview), for it to decide by. `projects` are patterns of the projects that the
    credential is good for, None where it names none and is good for any.
    """

    user: str
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    projects: tuple[str, ...] | None = None
    is_verified: bool = True

    def reaches(self, project: str) -> bool:
        """Tell whether the credential is good for `project`; what the user may do there is another question."""
        return self.projects is None or matches(self.projects, project)

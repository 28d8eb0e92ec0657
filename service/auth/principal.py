"""Who sent a request, and where they may submit to."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from service.submission import rejections
from service.submission.rejection import SubmissionRejected


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a request and the projects they may submit to; None means any."""

    user: str
    projects: tuple[str, ...] | None = None

    def require(self, project: str) -> None:
        """Raise SubmissionRejected (403) when this user may not submit to `project`."""
        if self.projects is not None and not any(fnmatchcase(project, pattern) for pattern in self.projects):
            raise SubmissionRejected(
                rejections.forbidden(f"user {self.user} is not allowed to submit to project {project}")
            )

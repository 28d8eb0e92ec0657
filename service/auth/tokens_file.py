"""The tokens file as it changes: who is listed in it is let in."""

from service.auth.principal import Principal
from service.auth.tokens import TokenList
from service.auth.watched_file import WatchedFile
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log


class TokensFile(WatchedFile[TokenList]):
    """The present list of tokens."""

    async def verify(self, token: str) -> Principal:
        """See `Verifier`."""
        if not self.usable:
            raise SubmissionRejected(rejections.credentials_unreadable())
        return self.content.owner(token)

    def _parse(self, octets: bytes) -> TokenList:
        return TokenList.read(octets)

    def _log_read(self) -> None:
        log.info("tokens-read", path=str(self._path), tokens=len(self.content.tokens))

    def _log_unreadable(self, reason: str) -> None:
        log.error("tokens-unreadable", path=str(self._path), reason=reason, grace_seconds=self._grace)

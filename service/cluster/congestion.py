"""How many requests of one namespace are worth having in progress at once: as many as keep the API server busy.

More of them do not get done sooner, they stand in line there, and whoever comes next stands behind them. That line
shows in the time that answers take beside the least they ever took: while a quarter of them came within twice that the
window grows, when fewer did there is a line and it shrinks, where it is used up: whoever has few requests in progress
stands in the line of others (a delay-based congestion window, as TCP Vegas, Brakmo and
Peterson 1995). Each namespace has a window of its own, as answers behind a webhook take longer whatever is in line.
Pure bookkeeping for `concurrency`.
"""

from typing import Final

FIRST: Final = 8.0
"""The window of a namespace of which nothing is known yet."""
LEAST: Final = 4
"""The smallest window. With so few there is no line to speak of: if answers are late even then, the API server or a
webhook has become slower, and the time they take is the least to compare with from then on."""
SHRINK: Final = 0.8
"""What is left of the window after a round of late answers."""
LATE_FACTOR: Final = 2.0
LATE_SECONDS: Final = 0.005
"""An answer is late that took longer than this many times the least, and so much more."""
PROMPT_SHARE: Final = 1 / 4
"""Of a round, how many answers are in time where there is no line: a webhook is slow now and then, a line always."""


class CongestionWindow:
    """The window of one namespace, `most` at best; `in_progress` is counted by whoever uses it."""

    __slots__ = (
        "_answers",
        "_full",
        "_grows_fast",
        "_least",
        "_least_of_round",
        "_most",
        "_prompt",
        "in_progress",
        "size",
    )

    def __init__(self, most: int) -> None:
        self.in_progress = 0
        self.size = min(FIRST, most)
        self._most = most
        self._least = float("inf")
        self._grows_fast = True  # until there was a line for the first time
        self._begin_round()

    def _begin_round(self) -> None:
        self._answers = self._prompt = self._full = 0
        self._least_of_round = float("inf")

    @property
    def is_full(self) -> bool:
        """Whether no other request should go out now."""
        return self.in_progress >= int(self.size)

    def note(self, seconds: float) -> None:
        """Learn from an answer, which took so long; its request still counts as in progress.

        While more are in progress than the window has, which is for others to allow, only a quick answer says anything.
        """
        self._least = min(self._least, seconds)
        if self.in_progress > int(self.size):
            return
        self._least_of_round = min(self._least_of_round, seconds)
        self._answers += 1
        self._prompt += seconds <= LATE_FACTOR * self._least + LATE_SECONDS
        self._full += self.is_full
        if self._answers >= int(self.size):
            self._end_round()

    def _end_round(self) -> None:
        is_late = self._prompt < PROMPT_SHARE * self._answers
        if is_late and self._full * 2 > self._answers:  # else the line is not of its own requests
            self._grows_fast = False
            if int(self.size) <= LEAST:
                self._least = self._least_of_round
            self.size = max(self.size * SHRINK, min(LEAST, self._most))
        elif self._full and not is_late:  # one that is not used up says nothing of a larger one
            self.size = min(self.size * 2 if self._grows_fast else self.size + 1, self._most)
        self._begin_round()

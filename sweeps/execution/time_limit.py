"""Time limit of a run."""

import faulthandler
import threading
import time
from collections.abc import Callable
from typing import Final

from trainer import TrialFailed

__all__ = ["TimeLimit", "TimeLimitReached"]

# Features of a frozen trunk may be computed meanwhile, or a large set scored.
_MARGIN_SECONDS: Final = 3600.0
_STDERR: Final = 2


class TimeLimitReached(TrialFailed):
    """A trial that takes longer than it may."""

    kind = "time_limit"


class TimeLimit:
    """Limit of the time that a run may take, from now on; one at a time in a process.

    Of a run that is still under way after twice its time and an hour, a step hangs: its process,
    which holds what others wait for, is ended, and says on standard error where it was.

    Args:
        seconds: The limit; None: there is none.
        clock: Seconds, from whenever.
    """

    def __init__(
        self, seconds: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._started_at = clock()
        if seconds is not None:
            late = min(2 * seconds + _MARGIN_SECONDS, threading.TIMEOUT_MAX)
            # Of C: a step that hangs may hold Python's lock.
            faulthandler.dump_traceback_later(late, exit=True, file=_STDERR)

    @property
    def is_over(self) -> bool:
        """Whether the run has taken longer than it may."""
        return self._seconds is not None and self._clock() - self._started_at > self._seconds

    @property
    def reached(self) -> TimeLimitReached:
        """What is to be raised then."""
        return TimeLimitReached(f"has trained for more than {self._seconds:g} s")

    def lift(self) -> None:
        """Let the run that has ended be."""
        if self._seconds is not None:
            faulthandler.cancel_dump_traceback_later()

"""Time limit of a run."""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

from trainer import TrialFailed

__all__ = ["TimeLimit", "TimeLimitReached"]

# A run that is as late as that again, and this, is not going to look at the clock any more.
_MARGIN_SECONDS: Final = 60.0


class TimeLimitReached(TrialFailed):
    """A trial that takes longer than it may."""

    kind = "time_limit"


class TimeLimit:
    """Limit of the time that a run may take, from now on.

    Of a run that is still under way after twice its time and a minute, a step hangs: its process,
    which holds what others wait for, is ended.

    Args:
        seconds: The limit; None: there is none.
        clock: Seconds, from whenever.
        end: Ends the process.
    """

    def __init__(
        self,
        seconds: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._started_at = clock()
        self._watchdog: threading.Timer | None = None
        if seconds is not None:
            late = min(2 * seconds + _MARGIN_SECONDS, threading.TIMEOUT_MAX)
            self._watchdog = threading.Timer(late, end, (1,))
            self._watchdog.daemon = True
            self._watchdog.start()

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
        if self._watchdog is not None:
            self._watchdog.cancel()

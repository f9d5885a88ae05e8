"""Queue of writes to the store: done in their order, and kept while the store is out of reach."""

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, ParamSpec

from sweeps.store.faults import fault_reason, is_operational
from sweeps.store.redaction import redacted

__all__ = ["WriteQueue"]

_P = ParamSpec("_P")
_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 30.0


class WriteQueue:
    """Writes to the store in the order in which they were handed over.

    Each is tried at once. When the database is at fault (gone, restarting, locked, full), it is
    kept with all that come after it, and tried again by later calls, after pauses that double up
    to half a minute. A write whose answer was lost may so be done twice; those of `Store` are
    idempotent, all but `Store.create_sweep`, which has no place here.

    It has no thread of its own: one thread writes and polls.

    Args:
        clock: Gives seconds that never run backwards.
        sleep: Waits for so many seconds; only `flush` does.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._writes: deque[Callable[[], object]] = deque()
        self._trouble: str | None = None
        self._delay = 0.0
        self._due = -inf

    @property
    def pending(self) -> int:
        """Number of writes that are not in the store yet."""
        return len(self._writes)

    @property
    def trouble(self) -> str | None:
        """Why writes wait, in one sentence without passwords; None while the store takes them."""
        return self._trouble

    def write(self, action: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Hand over a call, such as ``write(store.finish_trial, name, 3, state)``.

        Its arguments must not change afterwards.

        Raises:
            Exception: As `poll` does.
        """
        self._writes.append(partial(action, *args, **kwargs))
        self.poll()

    def poll(self) -> None:
        """Do what waits, unless the store was at fault so lately that it is left alone.

        Raises:
            Exception: What a write raised that is no fault of the database, such as the ValueError
                of a conflict. That write is dropped; those after it are still there.
        """
        if self._clock() >= self._due:
            self._do_all()

    def flush(self, timeout: float) -> bool:
        """Do what waits, now and again until all is done or the time is up.

        Args:
            timeout: Seconds; 0 tries once.

        Returns:
            Whether all is done.

        Raises:
            Exception: As `poll` does.
        """
        give_up = self._clock() + timeout
        while not self._do_all():
            now = self._clock()
            if now >= give_up:
                return False
            self._sleep(max(0.0, min(self._due, give_up) - now))
        return True

    def _do_all(self) -> bool:
        while self._writes:
            try:
                self._writes[0]()
            except Exception as error:
                if is_operational(error):
                    self._postpone(error)
                    return False
                self._advance()
                raise
            self._advance()
        return True

    def _postpone(self, error: Exception) -> None:
        self._trouble = f"the store takes no writes: {redacted(fault_reason(error))}"
        self._delay = min(max(2 * self._delay, _FIRST_DELAY), _LONGEST_DELAY)
        self._due = self._clock() + self._delay

    def _advance(self) -> None:
        self._writes.popleft()
        self._trouble, self._delay, self._due = None, 0.0, -inf

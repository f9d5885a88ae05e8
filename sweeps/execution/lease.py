"""Lease of a sweep: one process carries it out, and says that it still does."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self

from objectives import InputError
from sweeps.store import Store, SweepRecord, WriteQueue, redacted

__all__ = ["Lease", "TakenOverError", "this_process"]

_BEAT_SECONDS: Final = 5.0
# A driver that was not heard of for so long is taken to be gone.
_SILENCE_SECONDS: Final = 30.0


def this_process() -> str:
    """Return what tells this process from others that may carry out a sweep."""
    return f"{socket.gethostname()}:{os.getpid()}:{_numbering()}"


def _numbering() -> str:
    """Return what tells apart where equal numbers are other processes.

    Containers may have the name of their host, and a machine has its own after it was started anew.
    """
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{start}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux, and no containers
        return ""


class TakenOverError(InputError):
    """Raised where another process carries the sweep out by now."""


class Lease:
    """Lease of a sweep while the ``with`` block runs, renewed by a thread of its own.

    Args:
        store: The record.
        sweep: Name of a sweep whose driver this process is; see `take`.
        driver: This process.
        interval: Seconds between two signs of life.

    Attributes:
        lost: Set where another process has taken the sweep over, which happens to one that was
            silent for too long, such as on a machine that slept.
    """

    def __init__(
        self, store: Store, sweep: str, driver: str, *, interval: float = _BEAT_SECONDS
    ) -> None:
        self._store = store
        self._sweep = sweep
        self._driver = driver
        self._interval = interval
        self._end = Event()
        self._thread = Thread(target=self._renew, name="sweep-lease", daemon=True)
        self.lost = Event()

    @classmethod
    def take(
        cls,
        store: Store,
        sweep: str,
        *,
        driver: str,
        silence: float = _SILENCE_SECONDS,
        wait: Callable[[float], None] = time.sleep,
    ) -> "Lease":
        """Make this process the driver of a sweep that has none, or a dead one.

        A driver on this machine is dead when its process is; one elsewhere when it gives no sign of
        life for so many seconds, which this waits for.

        Raises:
            InputError: Another process carries the sweep out.
        """
        found = store.sweep(sweep)
        if not _is_dead(found):
            wait(silence)
            before, found = found, store.sweep(sweep)
            if (found.driver, found.seen_at) != (before.driver, before.seen_at) and found.driver:
                raise _taken(found)
        if not store.take_sweep(sweep, driver, instead_of=found):
            raise _taken(store.sweep(sweep))
        return cls(store, sweep, driver)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        with suppress(Exception):  # a store that is gone: silence says the same
            self._store.leave_sweep(self._sweep, self._driver)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the block one transaction of the store, while which nobody can take the sweep over.

        Raises:
            TakenOverError: Somebody has.
        """
        with self._store.together():
            if not self._renewed():
                raise TakenOverError(f"{self._sweep} was taken over by another process")
            yield

    @contextmanager
    def concluding(
        self, conclude: Callable[[BaseException | None], None], *, patience: float = 60.0
    ) -> Iterator[None]:
        """Write to the store how the block ended.

        Args:
            conclude: Writes it, given what the block raised.
            patience: Seconds to wait for a store that takes nothing. Where the block raised, that
                is more important, and the store is tried once.

        Raises:
            TakenOverError: The block ended well, and the sweep is another process's by now.
            InputError: Or the store takes nothing.
        """
        try:
            yield
        except BaseException as error:
            with suppress(InputError):
                self._write(partial(conclude, error), patience=0)
            raise
        self._write(partial(conclude, None), patience=patience)

    def _write(self, action: Callable[[], None], *, patience: float) -> None:
        def held() -> None:
            with self.held():
                action()

        writes = WriteQueue()
        writes.write(held)
        if not writes.flush(patience):
            raise InputError(f"{self._sweep} is to be resumed: {writes.trouble}")

    def _renewed(self) -> bool:
        if not self._store.renew_driver(self._sweep, self._driver):
            self.lost.set()
        return not self.lost.is_set()

    def _renew(self) -> None:
        while not self._end.wait(self._interval):
            with suppress(Exception):  # a store that is gone for a moment
                if not self._renewed():
                    return


def _taken(sweep: SweepRecord) -> InputError:
    return InputError(
        f"{sweep.name} is being carried out by another process ({redacted(_named(sweep))})"
    )


def _named(sweep: SweepRecord) -> str:
    """Return the machine and the process that carry a sweep out, as people name them."""
    return ":".join(str(sweep.driver).split(":", 2)[:2])


def _is_dead(sweep: SweepRecord) -> bool:
    """Whether it is certain that nobody carries a sweep out."""
    if sweep.driver is None:
        return True
    host, process, numbering = (*sweep.driver.split(":", 2), "", "")[:3]
    here = (host, numbering) == (socket.gethostname(), _numbering())
    if not here or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return int(process) == os.getpid()

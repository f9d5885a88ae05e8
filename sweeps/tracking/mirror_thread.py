"""Thread that keeps a mirror of the store level, whatever happens to the mirror."""

import logging
from threading import Event, Thread
from types import TracebackType
from typing import Protocol, Self

from sweeps.store import redacted

__all__ = ["Mirror", "MirrorThread"]

_log = logging.getLogger(__name__)


class Mirror(Protocol):
    """Mirror that a `MirrorThread` drives."""

    def mirror(self) -> None:
        """Push what is new."""

    def finish(self) -> None:
        """Push the rest and end."""


class MirrorThread:
    """Mirrors in the background while its ``with`` block runs, and finishes at its end.

    No error of the mirror leaves it: the sweep goes on without MLflow, and the store keeps what
    was not mirrored. Set the sweep's final state in the store before the block ends.

    Args:
        mirror: What to drive; from its own thread only.
        interval: Seconds between two attempts.
        patience: Seconds that the end of the block waits for the last attempt.

    Attributes:
        last_error: What the latest attempt failed with; None if it went well.
    """

    def __init__(self, mirror: Mirror, *, interval: float = 5.0, patience: float = 60.0) -> None:
        self._mirror = mirror
        self._interval = interval
        self._patience = patience
        self._stop = Event()
        self._thread = Thread(target=self._run, name="mlflow-mirror", daemon=True)
        self.last_error: Exception | None = None

    @property
    def complaint(self) -> str | None:
        """What the latest attempt failed with, for people to read; None if it went well."""
        return None if self.last_error is None else redacted(str(self.last_error))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(self._patience)
        if self._thread.is_alive():
            self._fail(TimeoutError(f"no answer within {self._patience:g} s"))

    def _run(self) -> None:
        attempt = self._mirror.mirror
        while True:
            try:
                attempt()
                self.last_error = None
            except Exception as error:
                self._fail(error)
            if attempt == self._mirror.finish:
                return
            if self._stop.wait(self._interval):
                attempt = self._mirror.finish

    def _fail(self, error: Exception) -> None:
        """Keep the error, and log it if the attempt before went well."""
        if self.last_error is None:
            _log.warning(
                "MLflow is not up to date, the sweep goes on without it: %s", redacted(str(error))
            )
        self.last_error = error

"""Checkpoints of a run: what it takes to go on with it, in one file."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sweeps.spec import Run
from trainer import Measurement, load_state, save_state

__all__ = ["Checkpoints"]

# Of the time, so much at most goes into writing.
_SHARE: Final = 0.02
# Between two rungs a state is written every so often.
_INTERVAL_SECONDS: Final = 30.0


class Checkpoints:
    """Checkpoints of one run; nothing that befalls the file makes the run fail.

    The measurements so far are in it: the driver may have died before it recorded the last.

    Args:
        path: The file; None: there are no checkpoints.
        config: The configuration with the seed, and whose it is, as plain data; the file of another
            is not loaded.
        measured: Epochs that the store has already.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        path: Path | None,
        config: Mapping[str, Any],
        *,
        measured: list[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._config = dict(config)
        self._clock = clock
        self._so_far: list[Measurement] = []
        self._recorded = set(measured)
        self._saved_at, self._cost = clock(), 0.0

    def begin(self, start: Callable[[], Run]) -> tuple[Run, deque[Measurement]]:
        """Begin a run, or go on with it where there is a file of it.

        Args:
            start: Begins it.

        Returns:
            The run, and what it has measured by then, and the store has not.
        """
        run = start()
        if self._path is None or not self._path.exists():
            return run, deque()
        try:
            found = load_state(self._path)
            if found["config"] != self._config:
                return run, deque()
            so_far = [Measurement(**each) for each in found["measurements"]]
            if found["state"] is not None:
                run.load_state_dict(found["state"])
        except Exception:  # whatever a file holds, and a workload of any origin makes of it
            return start(), deque()  # one that was half loaded is neither
        self._so_far = so_far
        return run, deque(each for each in so_far if each.epoch not in self._recorded)

    def is_recorded(self, measured: Measurement) -> bool:
        """Whether the store has a measurement already, from an attempt before."""
        return measured.epoch in self._recorded

    def save(self, run: Run, measured: Measurement) -> None:
        """Write the state after a rung, unless writing has taken too much of the time."""
        self._so_far.append(measured)
        self._save(run, after=0)

    def save_between(self, run: Run) -> None:
        """Write the state between two steps, if that was long ago."""
        self._save(run, after=_INTERVAL_SECONDS)

    def save_now(self, run: Run) -> None:
        """Write the state, whatever it takes."""
        self._write(dict(run.state_dict()))

    def _save(self, run: Run, *, after: float) -> None:
        started = self._clock()
        if self._path is None or started - self._saved_at < max(after, self._cost / _SHARE):
            return
        self._write(dict(run.state_dict()))
        self._saved_at = self._clock()
        self._cost = self._saved_at - started

    def finish(self, measured: Measurement) -> None:
        """Leave what was measured by the end, until the driver has recorded it and drops it."""
        self._so_far.append(measured)
        self._write(None)

    def _write(self, state: dict[str, Any] | None) -> None:
        if self._path is None:
            return
        so_far = [{**asdict(each), "metrics": dict(each.metrics)} for each in self._so_far]
        content = {"config": self._config, "measurements": so_far, "state": state}
        with suppress(OSError, RuntimeError):  # torch's where the disk is full
            self._path.parent.mkdir(parents=True, exist_ok=True)
            save_state(content, self._path)

    def drop(self) -> None:
        """Remove the file of a run that has ended."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

"""Checkpoints of a run: what it takes to go on with it after its last rung, in one file."""

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


class Checkpoints:
    """Checkpoints of one run; nothing that befalls the file makes the run fail.

    The measurements so far are in it: the driver may have died before it recorded the last.

    Args:
        path: The file; None: there are no checkpoints.
        config: The configuration with the seed, as plain data; that of another is not loaded.
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

    def load(self, run: Run) -> deque[Measurement]:
        """Let a run go on from the file, if there is one of it.

        Returns:
            What it has measured by then, and the store has not.
        """
        if self._path is None or not self._path.exists():
            return deque()
        try:
            found = load_state(self._path)
            if found["config"] != self._config:
                return deque()
            so_far = [Measurement(**each) for each in found["measurements"]]
            run.load_state_dict(found["state"])
        except (ValueError, KeyError, TypeError, RuntimeError, OSError):
            return deque()
        self._so_far = so_far
        return deque(each for each in so_far if each.epoch not in self._recorded)

    def is_recorded(self, measured: Measurement) -> bool:
        """Whether the store has a measurement already, from an attempt before."""
        return measured.epoch in self._recorded

    def save(self, run: Run, measured: Measurement) -> None:
        """Write the state after a rung, unless writing has taken too much of the time."""
        self._so_far.append(measured)
        started = self._clock()
        if self._path is None or started - self._saved_at < self._cost / _SHARE:
            return
        so_far = [{**asdict(each), "metrics": dict(each.metrics)} for each in self._so_far]
        state = {"config": self._config, "measurements": so_far, "state": dict(run.state_dict())}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            save_state(state, self._path)
        self._saved_at = self._clock()
        self._cost = self._saved_at - started

    def drop(self) -> None:
        """Remove the file of a run that has ended."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

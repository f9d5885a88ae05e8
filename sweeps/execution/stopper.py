"""Stopper of a sweep that must not go on."""

from threading import Event
from typing import Any

from ray import tune
from ray.tune.stopper import NoopStopper

from objectives import InputError
from sweeps.execution.endings import Endings

__all__ = ["Stopper"]


class Stopper(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends Ray's run where another process has the sweep, or every further run would be lost.

    Args:
        sweep: Name of the sweep.
        endings: Knows of runs that were lost.
        lost: Set where the sweep is another process's by now.
    """

    def __init__(self, sweep: str, endings: Endings, lost: Event) -> None:
        self._sweep = sweep
        self._endings = endings
        self._lost = lost

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Whether the sweep must not go on."""
        return self._lost.is_set() or self._endings.trouble is not None

    def __reduce__(self) -> tuple[type[tune.Stopper], tuple[()]]:
        """Ray pickles a stopper with every trial, for a restore that is not used here."""
        return NoopStopper, ()

    def check(self) -> None:
        """Say why the sweep was stopped, if it was.

        Raises:
            InputError: It was.
        """
        if self._lost.is_set():
            raise InputError(f"{self._sweep} was taken over by another process")
        if self._endings.trouble is not None:
            raise InputError(f"{self._sweep} was stopped: {self._endings.trouble}")

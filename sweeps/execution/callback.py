"""Callbacks of a sweep: what watches it from the driver."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from objectives import Objective
from sweeps.store import Store, is_operational

__all__ = ["RunningSweep", "SweepCallback", "call_each"]


@dataclass(frozen=True, kw_only=True)
class RunningSweep:
    """A sweep that is being carried out.

    Attributes:
        name: Its name.
        store: The record; to be read only.
        objectives: Its two objectives.
        total: Number of its trials, controls included.
        runs: Number of its training runs, at most.
        notes: Sentences on how it is carried out here, none where there is nothing to say.
    """

    name: str
    store: Store
    objectives: tuple[Objective, Objective]
    total: int
    runs: int
    notes: tuple[str, ...] = ()


class SweepCallback:
    """Base of what watches a sweep; each method does nothing unless it is overridden.

    All are called on the driver, one at a time. What one raises ends the sweep.
    """

    def on_data_progress(self, share: float) -> None:
        """Take note of the share of the data decoded, in (0, 1], before the sweep starts."""

    def on_sweep_start(self, sweep: RunningSweep) -> None:
        """Take note of a sweep whose first trial is about to begin."""

    def on_baseline_event(self) -> None:
        """Take note of a baseline, which the store has by now."""

    def on_trial_event(self) -> None:
        """Take note of an event of a trial, which the store has by now."""

    def on_sweep_end(self) -> None:
        """Take note of the end, however the sweep ended."""


def call_each(callbacks: Iterable[SweepCallback], event: Callable[[SweepCallback], None]) -> None:
    """Let each callback take note of an event, unless the store is out of its reach just then."""
    for callback in callbacks:
        try:
            event(callback)
        except Exception as error:
            if not is_operational(error):
                raise

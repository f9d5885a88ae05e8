"""Recorder of Ray's events in the store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune

from sweeps.execution.callback import SweepCallback
from sweeps.execution.last_words import last_words_in
from sweeps.spec import Workload
from sweeps.store import Purpose, Store, TrialState

__all__ = ["Recorder"]


class Recorder(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Writes what Ray reports to the store, on the driver; nothing else writes trials.

    Args:
        store: The record.
        sweep: Name of the sweep.
        workload: The kind of its trials.
        callbacks: Called after each event.
    """

    def __init__(
        self, store: Store, sweep: str, workload: Workload, callbacks: Sequence[SweepCallback]
    ) -> None:
        self._store = store
        self._sweep = sweep
        self._workload = workload
        self._callbacks = callbacks

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a run as RUNNING, and its trial where it is the first of it."""
        self._add(trial)
        self._call_back()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record a measurement, or why there is none."""
        if result["failure"]:
            self._finish(trial, TrialState.FAILED, result["failure"])
        else:
            measured = result["measurement"]
            self._store.record_measurement(
                self._sweep,
                trial.config["number"],
                epoch=measured.epoch,
                seed=measured.seed,
                split=measured.split,
                metrics=measured.metrics,
            )
        self._call_back()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a run as COMPLETE."""
        if not trial.last_result["failure"]:
            self._finish(trial, TrialState.COMPLETE)
        self._call_back()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a run as FAILED, with the actor's last words."""
        # Where an actor fails before the first epoch, Ray has not said that the trial started.
        self._add(trial)
        self._finish(trial, TrialState.FAILED, _reason(trial))
        self._call_back()

    def _add(self, trial: Any) -> None:
        config = self._workload.config.model_validate(trial.config["config"])
        self._store.add_trial(
            self._sweep,
            trial.config["number"],
            config=trial.config["config"],
            sampled=trial.config["sampled"],
            control=trial.config["control"],
            last_epoch=self._workload.last_epoch(config),
        )
        self._store.add_replicate(
            self._sweep,
            trial.config["number"],
            seed=trial.config["seed"],
            purpose=Purpose(trial.config["purpose"]),
        )

    def _finish(self, trial: Any, state: TrialState, reason: str | None = None) -> None:
        """Record how a run ended; a trial ends as its first run does."""
        number, seed = trial.config["number"], trial.config["seed"]
        self._store.finish_replicate(self._sweep, number, seed=seed, state=state, reason=reason)
        if seed == trial.config["config"]["seed"]:
            self._store.finish_trial(self._sweep, number, state, reason)

    def _call_back(self) -> None:
        for callback in self._callbacks:
            callback.on_trial_event()


def _reason(trial: Any) -> str:
    """Return one line on what went wrong in the actor; the rest of it is its stack."""
    # Its text, and not the error itself, which to load is to run what lies in a shared folder.
    written = trial.error_file
    return last_words_in(Path(written).read_text("utf-8", "replace") if written else "")

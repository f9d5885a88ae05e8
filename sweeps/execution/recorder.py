"""Recorder of Ray's events: in the store, and in the search."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

from ray import tune

from sweeps.execution.callback import SweepCallback, call_each
from sweeps.execution.endings import Ending, Endings
from sweeps.execution.lease import Lease, TakenOverError
from sweeps.home import run_file
from sweeps.search import Suggestion
from sweeps.spec import Workload
from sweeps.store import Purpose, Store, TrialState, WriteQueue
from trainer import Measurement

__all__ = ["Recorder", "Told"]


class Told(Protocol):
    """Search that is told how runs end, such as a `sweeps.search.ReplicatedStudy`."""

    def tell(self, run: Suggestion, metrics: Mapping[str, float] | None) -> None:
        """Take note of how a run ended."""

    def lost(self, run: Suggestion) -> None:
        """Take note that a run ended by no doing of its own."""


class Recorder(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Writes what Ray reports to the store, on the driver, and tells the search how runs end.

    Nothing else writes trials, and nothing else decides how a run ended.

    Args:
        store: The record.
        sweep: Name of the sweep.
        workload: The kind of its trials.
        search: What its runs come from.
        endings: Decides how runs ended.
        writes: Keeps what the store cannot take for a while.
        lease: Nothing is written where the sweep is another process's by now.
        checkpoints: Folder of them; that of a run whose end is recorded is removed.
        callbacks: Called after each event.
    """

    def __init__(
        self,
        store: Store,
        sweep: str,
        workload: Workload,
        *,
        search: Told,
        endings: Endings,
        writes: WriteQueue,
        lease: Lease,
        checkpoints: Path,
        callbacks: Sequence[SweepCallback],
    ) -> None:
        self._store = store
        self._sweep = sweep
        self._workload = workload
        self._search = search
        self._endings = endings
        self._writes = writes
        self._lease = lease
        self._checkpoints = checkpoints
        self._callbacks = callbacks

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a run as RUNNING, and its trial where it is the first of it."""
        self._endings.begins(trial.config["number"], trial.config["seed"])
        self._writes.write(self._add, dict(trial.config))
        self._call_back()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record a measurement, or why there is none, and the end of a run that has ended."""
        number, seed = trial.config["number"], trial.config["seed"]
        last_epoch = self._last_epoch(trial.config)
        ending = self._endings.of_result(result, number=number, seed=seed, last_epoch=last_epoch)
        measured = result["measurement"]
        node = result.get("node_ip")
        self._writes.write(self._record, dict(trial.config), measured, ending, node)
        self._tell(trial, ending, measured)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record how a run ended whose actor failed."""
        ending = self._endings.of_error(
            _kept_text(trial), number=trial.config["number"], seed=trial.config["seed"]
        )
        # Where no process began the run, Ray has not said that the trial started.
        self._writes.write(self._add, dict(trial.config))
        node = (trial.last_result or {}).get("node_ip")
        self._writes.write(self._record, dict(trial.config), None, ending, node)
        self._tell(trial, ending, None)

    def _tell(self, trial: Any, ending: Ending | None, measured: Measurement | None) -> None:
        """Tell the search how a run ended, if it has, and the callbacks that something happened."""
        run = Suggestion(**{field.name: trial.config[field.name] for field in fields(Suggestion)})
        match ending and ending.state:
            case TrialState.LOST:
                self._search.lost(run)
            case TrialState.COMPLETE:
                self._search.tell(run, measured.metrics if measured else None)
            case TrialState.FAILED:
                self._search.tell(run, None)
        self._call_back()

    def _add(self, config: Mapping[str, Any]) -> None:
        with suppress(TakenOverError), self._lease.held():
            self._store.add_trial(
                self._sweep,
                config["number"],
                config=config["config"],
                sampled=config["sampled"],
                control=config["control"],
                last_epoch=self._last_epoch(config),
                drawn=config["drawn"],
            )
            self._store.add_replicate(
                self._sweep,
                config["number"],
                seed=config["seed"],
                purpose=Purpose(config["purpose"]),
                attempt=config["attempt"],
            )

    def _record(
        self,
        config: Mapping[str, Any],
        measured: Measurement | None,
        ending: Ending | None,
        node: str | None,
    ) -> None:
        """Record a measurement, and how a run ended."""
        number, seed = config["number"], config["seed"]
        try:
            with self._lease.held():
                self._write(number, seed, measured, ending, node)
        except TakenOverError:
            return
        if ending is not None and ending.state is not TrialState.LOST:
            with suppress(OSError):
                run_file(self._checkpoints, number=number, seed=seed).unlink(missing_ok=True)

    def _write(
        self,
        number: int,
        seed: int,
        measured: Measurement | None,
        ending: Ending | None,
        node: str | None,
    ) -> None:
        if measured is not None:
            self._store.record_measurement(
                self._sweep,
                number,
                epoch=measured.epoch,
                seed=measured.seed,
                split=measured.split,
                metrics=measured.metrics,
            )
        if ending is not None:
            self._store.finish_replicate(
                self._sweep,
                number,
                seed=seed,
                state=ending.state,
                reason=ending.reason,
                kind=ending.kind,
                traceback=ending.traceback,
                node=node,
            )

    def _last_epoch(self, config: Mapping[str, Any]) -> int:
        return self._workload.last_epoch(self._workload.config.model_validate(config["config"]))

    def _call_back(self) -> None:
        if not self._writes.pending:  # else what they would look at is not in the store yet
            call_each(self._callbacks, lambda each: each.on_trial_event())


def _kept_text(trial: Any) -> str:
    """Return what Ray keeps of a failure."""
    # Its text, and not the error itself, which to load is to run what lies in a shared folder.
    written = trial.error_file
    return Path(written).read_text("utf-8", "replace") if written else ""

"""Mirror of the store in MLflow, under run identities derived from it.

mlflow is imported late, for that takes seconds. What is read back from MLflow is which runs there
are, so that none is made twice; never a result.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from sweeps.results import (
    RankedTrials,
    certainty,
    is_judged,
    rank_trials,
    ranked_trials,
    undertrained,
    unproven,
    write_front,
)
from sweeps.store import (
    MeasurementRecord,
    Outbox,
    Store,
    SweepRecord,
    SweepState,
    TrialRecord,
    TrialState,
)
from sweeps.tracking.client import missing_file, open_client
from sweeps.tracking.logged_values import (
    baseline_metrics,
    baseline_tags,
    estimate_metrics,
    flat_texts,
    hypervolume_points,
    milliseconds,
    pair_metrics,
    trial_metrics,
    trial_tags,
    utc_text,
)

__all__ = ["EXPERIMENT", "MlflowMirror"]

EXPERIMENT: Final = "tcm-sweeps"

_SWEEP_STATUS: Final = {
    SweepState.RUNNING: "RUNNING",
    SweepState.COMPLETE: "FINISHED",
    SweepState.PAUSED: "KILLED",
    SweepState.FAILED: "FAILED",
}
_TRIAL_STATUS: Final = {
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAILED: "FAILED",
    TrialState.LOST: "SCHEDULED",
}
# MLflow takes at most 1000 entries a call, 100 of them parameters and 100 tags.
_METRICS_A_CALL, _PARAMS_A_CALL, _TAGS_A_CALL = 800, 100, 100


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """Runs of this sweep that MLflow has.

    Attributes:
        client: The MlflowClient.
        experiment: Id of the experiment.
        parent: Id of the parent run.
        trials: Id of each trial's run.
        ranks: The ``front_rank`` tag of each trial's run that has one.
        curve: The steps of the hypervolume already there: step, value and time.
    """

    client: Any
    experiment: str
    parent: str
    trials: dict[int, str] = field(default_factory=dict)
    ranks: dict[int, str] = field(default_factory=dict)
    curve: set[tuple[int, float, int]] = field(default_factory=set)


class MlflowMirror:
    """Brings MLflow level with the store; may be repeated, and resumed after a crash.

    The sweep is a parent run, tagged ``sweeps.key = 'NAME'``, and each trial is a run nested in
    it, tagged ``sweeps.key = 'NAME/NUMBER'``. A sweep may be renamed, so its runs are found by when
    it was created; their names and keys follow. A trial's metrics have its epochs as steps; on the
    parent are the hypervolume, with the number of finished trials as its step, and the baselines'.

    Args:
        store: The record.
        sweep: Name of the sweep.
        tracking_uri: Such as ``sqlite:////folder/mlflow.db`` or ``http://server:5000``.
        artifact_root: Folder for artifacts; None leaves the place to the server.
    """

    def __init__(
        self,
        store: Store,
        sweep: str,
        *,
        tracking_uri: str,
        artifact_root: Path | None,
    ) -> None:
        self._store = store
        self._sweep = sweep
        self._tracking_uri = tracking_uri
        self._artifact_root = artifact_root
        self._runs: _Runs | None = None

    def mirror(self) -> None:
        """Push what is not mirrored yet, then mark it as mirrored.

        Raises:
            mlflow.exceptions.MlflowException: MLflow cannot be reached, or refuses.
        """
        try:
            self._push(self._store.unmirrored(self._sweep))
        except Exception:
            self._runs = None  # A run may be gone, or the server be another: look again.
            raise

    def replay(self) -> None:
        """Push everything, mirrored before or not, and finish; what is there already stays.

        Raises:
            mlflow.exceptions.MlflowException: MLflow cannot be reached, or refuses.
        """
        self._runs = None
        trials = self._store.trials(self._sweep)
        measurements = self._store.measurements(self._sweep)
        baselines = self._store.baselines(self._sweep)
        self._push(Outbox(trials=trials, measurements=measurements, baselines=baselines))
        self.finish()

    def finish(self) -> None:
        """Mirror the rest, put the front on the parent run, and end it as the sweep ended.

        A sweep that is still RUNNING leaves its run so.

        Raises:
            mlflow.exceptions.MlflowException: MLflow cannot be reached, or refuses.
        """
        self.mirror()
        runs = self._runs or self._connect()
        sweep = self._store.sweep(self._sweep)
        with TemporaryDirectory() as folder:
            ranked = ranked_trials(self._store, self._sweep)
            write_front(ranked, Path(folder))
            spec = yaml.safe_dump(json.loads(json.dumps(sweep.spec)), sort_keys=False)
            (Path(folder) / "spec.yaml").write_text(spec)
            runs.client.log_artifacts(runs.parent, folder)
        self._push_estimates(runs, ranked, at=sweep.finished_at or sweep.created_at)
        runs.client.set_tag(runs.parent, "state", sweep.state.value)
        if sentence := certainty(ranked):
            runs.client.set_tag(runs.parent, "certainty", sentence)
        if (knee := ranked.knee_trial) is not None:
            known = "no" if is_judged(ranked, knee) else "not known: no control had its seeds"
            runs.client.set_tag(runs.parent, "unproven", unproven(ranked, knee) or known)
        if ranked.baselines:
            runs.client.set_tag(runs.parent, "undertrained", undertrained(ranked) or "no")
        if sweep.state is not SweepState.RUNNING:
            _end(runs.client, runs.parent, _SWEEP_STATUS[sweep.state], sweep.finished_at)

    def rename(self) -> None:
        """Do as `finish`, for a sweep that has another name by now, where MLflow is there at all.

        Raises:
            mlflow.exceptions.MlflowException: MLflow cannot be reached, or refuses.
        """
        if missing_file(self._tracking_uri) is None:
            self.finish()

    def delete(self) -> None:
        """Delete the runs of the sweep as MLflow does, which hides them until ``mlflow gc``.

        Raises:
            mlflow.exceptions.MlflowException: MLflow cannot be reached, or refuses.
        """
        self._runs = None
        if missing_file(self._tracking_uri) is not None:
            return
        client = open_client(self._tracking_uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return
        place = (client, str(experiment.experiment_id))
        for parent in [*_search(*place, _born(self._store.sweep(self._sweep)))]:
            # The parent last: by it the others are found, should this not come to its end.
            for run in [*_search(*place, _nested_in(parent.info.run_id)), parent]:
                client.delete_run(run.info.run_id)

    def _push(self, outbox: Outbox) -> None:
        found = self._runs is not None
        self._runs = runs = self._runs or self._connect()
        if found and not outbox:
            return
        _log_batches(
            runs.client,
            runs.parent,
            metrics=list(baseline_metrics(outbox.baselines)),
            tags=baseline_tags(outbox.baselines),
        )
        trials = {trial.number: trial for trial in self._store.trials(self._sweep)}
        changed = {trial.number: trial for trial in outbox.trials}
        scored: dict[int, list[MeasurementRecord]] = {}
        for measurement in outbox.measurements:
            scored.setdefault(measurement.number, []).append(measurement)
        pushed = sorted(changed.keys() | scored.keys())
        for number in pushed:
            trial = changed.get(number, trials[number])
            as_new = number in changed or number not in runs.trials
            self._push_trial(runs, trial, scored.get(number, []), as_new=as_new)
        if not found or any(trials[number].state is TrialState.COMPLETE for number in pushed):
            self._push_front(runs, tuple(trials.values()))
        self._store.mark_mirrored(self._sweep, outbox)

    def _push_trial(
        self,
        runs: _Runs,
        trial: TrialRecord,
        measurements: Sequence[MeasurementRecord],
        *,
        as_new: bool,
    ) -> None:
        """Push measurements, and with ``as_new`` also the trial's parameters, tags and end."""
        if trial.number not in runs.trials:
            runs.trials[trial.number] = self._create_trial_run(runs, trial)
        run = runs.trials[trial.number]
        metrics = [entry for m in measurements for entry in trial_metrics(trial, m)]
        params = flat_texts(trial.config) if as_new else {}
        tags = trial_tags(trial) if as_new else {}
        _log_batches(runs.client, run, metrics=metrics, params=params, tags=tags)
        if as_new and trial.state in (TrialState.RUNNING, TrialState.LOST):
            runs.client.update_run(run, status=_TRIAL_STATUS[trial.state])
        elif as_new:
            _end(runs.client, run, _TRIAL_STATUS[trial.state], trial.finished_at)

    def _push_front(self, runs: _Runs, trials: Sequence[TrialRecord]) -> None:
        """Bring the trials' ``front_rank`` tags and the parent's hypervolume level."""
        objectives = self._store.sweep(self._sweep).objectives
        measurements = self._store.measurements(self._sweep)
        for trial in rank_trials(self._sweep, objectives, trials, measurements).trials:
            # A trial that is newer than the outbox has no run yet; its turn is next.
            if trial.number in runs.trials and runs.ranks.get(trial.number) != str(trial.rank):
                runs.client.set_tag(runs.trials[trial.number], "front_rank", str(trial.rank))
                runs.ranks[trial.number] = str(trial.rank)
        curve = hypervolume_points(objectives, trials, measurements)
        new = [point for point in curve if point not in runs.curve]
        metrics = [("hypervolume", value, at, step) for step, value, at in new]
        _log_batches(runs.client, runs.parent, metrics=metrics)
        runs.curve.update(new)

    def _push_estimates(self, runs: _Runs, ranked: RankedTrials, *, at: datetime) -> None:
        """Log what all runs together tell of each trial."""
        for trial in ranked.trials:
            moment = milliseconds(at)
            metrics = list(estimate_metrics(trial, at=moment))
            metrics += pair_metrics(ranked, trial.number, at=moment)
            if trial.number in runs.trials and metrics:
                _log_batches(runs.client, runs.trials[trial.number], metrics=metrics)

    def _connect(self) -> _Runs:
        """Find the sweep's runs by their tags, and make the parent where it is not there.

        Those that have the name that the sweep had before get the new one.
        """
        client = open_client(self._tracking_uri)
        sweep = self._store.sweep(self._sweep)
        experiment = self._experiment(client)
        runs = _Runs(
            client=client, experiment=experiment, parent=self._parent(client, experiment, sweep)
        )
        for run in _search(client, experiment, _nested_in(runs.parent)):
            tags = run.data.tags
            number = int(tags["sweeps.key"].rpartition("/")[2])
            runs.trials[number] = run.info.run_id
            _rename(client, run, key=f"{sweep.name}/{number}", name=_trial_name(sweep.name, number))
            if "front_rank" in tags:
                runs.ranks[number] = tags["front_rank"]
        return runs

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        root = self._artifact_root
        location = None if root is None else (root.resolve() / EXPERIMENT).as_uri()
        # So that the UI opens on training runs and not on traces.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(EXPERIMENT, artifact_location=location, tags=kind))

    def _parent(self, client: Any, experiment: str, sweep: SweepRecord) -> str:
        key = {"sweeps.key": sweep.name, "sweeps.created_at": utc_text(sweep.created_at)}
        found = _search(client, experiment, _born(sweep))
        run = next(found, None) or client.create_run(
            experiment, start_time=milliseconds(sweep.created_at), tags=key, run_name=sweep.name
        )
        _rename(client, run, key=sweep.name, name=sweep.name)
        # A spec may have grown at a resume, but MLflow keeps a parameter's first value.
        params = {k: v for k, v in flat_texts(sweep.spec).items() if k not in run.data.params}
        tags = flat_texts(sweep.provenance, prefix="provenance.") | {"state": sweep.state.value}
        _log_batches(client, run.info.run_id, params=params, tags=tags)
        if sweep.state is SweepState.RUNNING and run.info.status != "RUNNING":
            client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def _create_trial_run(self, runs: _Runs, trial: TrialRecord) -> str:
        run = runs.client.create_run(
            runs.experiment,
            start_time=milliseconds(trial.started_at),
            tags={
                "mlflow.parentRunId": runs.parent,
                "sweeps.key": f"{self._sweep}/{trial.number}",
            },
            run_name=_trial_name(self._sweep, trial.number),
        )
        return str(run.info.run_id)


def _born(sweep: SweepRecord) -> str:
    """Return the condition that a sweep's parent run fulfils, and no other.

    Two homes may hold sweeps of one name and share a server; they differ in their birth.
    """
    return f"tags.`sweeps.created_at` = '{utc_text(sweep.created_at)}'"


def _nested_in(parent: str) -> str:
    """Return the condition that the runs of the trials fulfil."""
    return f"tags.`mlflow.parentRunId` = '{parent}'"


def _trial_name(sweep: str, number: int) -> str:
    return f"{sweep}/{number:04d}"


def _rename(client: Any, run: Any, *, key: str, name: str) -> None:
    """Give a run the key and name that it should have, where the sweep had another name before."""
    if run.data.tags["sweeps.key"] != key:
        client.update_run(run.info.run_id, name=name)
        client.set_tag(run.info.run_id, "sweeps.key", key)


def _search(client: Any, experiment: str, condition: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _end(client: Any, run: str, status: str, ended: datetime | None) -> None:
    client.set_terminated(run, status, None if ended is None else milliseconds(ended))


def _log_batches(
    client: Any,
    run: str,
    *,
    metrics: Sequence[tuple[str, float, int, int]] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log metrics (name, value, time, step), parameters and tags in as few calls as allowed."""
    from mlflow.entities import Metric, Param, RunTag

    ms = [Metric(*metric) for metric in metrics]
    ps = [Param(*param) for param in (params or {}).items()]
    ts = [RunTag(*tag) for tag in (tags or {}).items()]
    while ms or ps or ts:
        client.log_batch(run, ms[:_METRICS_A_CALL], ps[:_PARAMS_A_CALL], ts[:_TAGS_A_CALL])
        ms, ps, ts = ms[_METRICS_A_CALL:], ps[_PARAMS_A_CALL:], ts[_TAGS_A_CALL:]

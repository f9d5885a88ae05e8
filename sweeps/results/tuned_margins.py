"""Tuned margins of a front: the choice of a trial, and the file that is made of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from objectives import InputError, Objective
from sweeps.files import write_whole
from sweeps.results.final_values import SPLIT, final_measurements
from sweeps.results.ranking import RankedTrial, RankedTrials, ranked_trials
from sweeps.spec import ControlTrial, PickedTrial, Workload, workload_of
from sweeps.store import MeasurementRecord, Store, SweepRecord

__all__ = ["KNEE", "export_margins", "margins_of", "pick_trial", "picks", "write_margins"]

KNEE: Final = "knee"


def picks(objectives: tuple[Objective, Objective]) -> tuple[str, ...]:
    """Return what can be picked: the knee, or the best of an objective by its aspect or name."""
    names = [name for objective in objectives for name in (objective.aspect, objective.name)]
    return (KNEE, *dict.fromkeys(names))


def pick_trial(ranked: RankedTrials, pick: str) -> RankedTrial:
    """Return the trial that a pick means: of the front, or any completed one by its number.

    Raises:
        InputError: The pick is unknown, or no trial has finished.
    """
    if not ranked.front:
        raise InputError(f"{ranked.sweep}: no trial has completed, so there is nothing to export")
    if pick.isdigit():
        chosen = next((trial for trial in ranked.trials if trial.number == int(pick)), None)
        if chosen is None:
            raise InputError(f"trial {pick} of {ranked.sweep} has not completed", field="pick")
        return chosen
    if pick == KNEE:
        return next(trial for trial in ranked.front if trial.number == ranked.knee)
    for objective in ranked.objectives:
        if pick in (objective.aspect, objective.name):
            # On a front the best of one objective is one trial, or several equal ones.
            return min(
                ranked.front, key=lambda trial: objective.sign * trial.values[objective.name]
            )
    known = ", ".join(picks(ranked.objectives))
    raise InputError(f"{pick!r} is not one of {known}, nor a trial's number", field="pick")


def export_margins(store: Store, sweep: str, *, pick: str = KNEE) -> BaseModel:
    """Gather all that a training script needs of one trial of a sweep.

    Args:
        store: The record.
        sweep: Name of the sweep.
        pick: As `pick_trial`.

    Returns:
        The export of the sweep's workload: for metric learning a `trainer.TunedMargins`.

    Raises:
        InputError: As `pick_trial`, there is no such sweep, or its workload exports nothing.
    """
    ranked, measurements = ranked_trials(store, sweep), store.measurements(sweep)
    return margins_of(store.sweep(sweep), ranked, measurements, pick=pick)


def margins_of(
    sweep: SweepRecord,
    ranked: RankedTrials,
    measurements: Iterable[MeasurementRecord],
    *,
    pick: str,
) -> BaseModel:
    """Return the export of a picked trial, from what `export_margins` reads.

    Raises:
        InputError: As `export_margins`.
    """
    workload = workload_of(sweep.spec)
    if workload.export is None:
        raise InputError(f"{sweep.name}: its workload exports nothing")
    chosen = pick_trial(ranked, pick)
    final = final_measurements(measurements)[chosen.number]
    picked = PickedTrial(
        sweep=sweep.name,
        number=chosen.number,
        pick=pick,
        config=chosen.config,
        metrics=dict(chosen.values),
        split=SPLIT,
        epoch=final[0].epoch,
        seeds=tuple(measurement.seed for measurement in final),
        control=_control(ranked, chosen, workload),
        spec=sweep.spec,
        provenance=_provenance(sweep, ranked),
    )
    return workload.export(picked)


def write_margins(margins: BaseModel, path: Path) -> None:
    """Write the file whole, or not at all.

    Raises:
        InputError: It cannot be written.
    """
    text = yaml.safe_dump(margins.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", file=path) from None


def _control(ranked: RankedTrials, chosen: RankedTrial, workload: Workload) -> ControlTrial | None:
    """Return the control of the same kind; its other fields may differ."""
    rule = workload.rules.control
    if rule is None:
        return None
    kind = rule.each
    same = (c for c in ranked.controls if kind is None or c.config[kind] == chosen.config[kind])
    control = next(same, None)
    if control is None:
        return None
    names = [objective.name for objective in ranked.objectives]
    return ControlTrial(
        number=control.number,
        config=control.config,
        metrics=dict(control.values),
        difference={name: chosen.values[name] - control.values[name] for name in names},
        differs_in={
            name: {"tuned": value, "control": control.config[name]}
            for name, value in chosen.config.items()
            if name not in rule.left_out and value != control.config[name]
        },
    )


def _provenance(sweep: SweepRecord, ranked: RankedTrials) -> dict[str, Any]:
    return {
        **sweep.provenance,
        "created_at": sweep.created_at.isoformat(timespec="seconds"),
        "sweep_state": sweep.state.value,
        "objectives": [objective.name for objective in ranked.objectives],
        "completed_trials": len(ranked.trials),
        "front_trials": [trial.number for trial in ranked.front],
        "hypervolume": ranked.hypervolume,
    }

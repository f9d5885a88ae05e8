"""From a front to a file of tuned margins."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from objectives import InputError, Objective
from sweeps.records import MeasurementRecord, SweepRecord
from sweeps.report import SPLIT, Front, FrontRow
from trainer import (
    TCM_FIELDS,
    Comparison,
    OperatingPoint,
    TrialConfig,
    TunedData,
    TunedMargins,
)

__all__ = ["KNEE", "export_margins", "pick_trial", "picks", "write_margins"]

KNEE: Final = "knee"


def picks(objectives: tuple[Objective, Objective]) -> tuple[str, ...]:
    """Return what can be picked: the knee, or the best of an objective by its aspect or name."""
    names = [name for objective in objectives for name in (objective.aspect, objective.name)]
    return (KNEE, *dict.fromkeys(names))


def pick_trial(front: Front, pick: str) -> FrontRow:
    """Return the trial that a pick means: of the front, or any completed one by its number.

    Raises:
        InputError: The pick is unknown, or no trial has finished.
    """
    if not front.members:
        raise InputError(f"{front.sweep}: no trial has completed, so there is nothing to export")
    if pick.isdigit():
        chosen = next((row for row in front.rows if row.number == int(pick)), None)
        if chosen is None:
            raise InputError(f"--pick: trial {pick} of {front.sweep} has not completed")
        return chosen
    if pick == KNEE:
        return next(row for row in front.members if row.number == front.knee)
    for objective in front.objectives:
        if pick in (objective.aspect, objective.name):
            # On a front the best of one objective is one trial, or several equal ones.
            return min(front.members, key=lambda row: objective.sign * row.values[objective.name])
    known = ", ".join(picks(front.objectives))
    raise InputError(f"--pick: {pick!r} is not one of {known}, nor a trial's number")


def export_margins(
    sweep: SweepRecord,
    front: Front,
    measurements: tuple[MeasurementRecord, ...],
    *,
    pick: str,
) -> TunedMargins:
    """Gather all that a training script needs of one trial of the front.

    Raises:
        InputError: As `pick_trial`.
    """
    row = pick_trial(front, pick)
    config = TrialConfig.model_validate(row.config)
    own = [m for m in measurements if m.number == row.number and m.split == SPLIT]
    epoch = max(m.epoch for m in own)
    return TunedMargins(
        sweep=sweep.name,
        trial=row.number,
        pick=pick,
        loss=config.loss,
        margin_positive=config.margin_positive,
        margin_negative=config.margin_negative,
        weight_positive=config.weight_positive,
        weight_negative=config.weight_negative,
        batch_size=config.batch_size,
        samples_per_class=config.samples_per_class,
        config=config,
        metrics=dict(row.values),
        split=SPLIT,
        epoch=epoch,
        seeds=tuple(m.seed for m in own if m.epoch == epoch),
        control=_comparison(front, row, config.loss),
        operating_point=_operating_point(row.values, sweep.spec["scoring"]),
        data=TunedData(
            source=sweep.spec["data"],
            fingerprint=sweep.provenance["data"]["fingerprint"],
            train_classes=sweep.provenance["data"]["train_classes"],
        ),
        provenance=_provenance(sweep, front),
    )


def write_margins(margins: TunedMargins, path: Path) -> None:
    """Write the file whole, or not at all.

    Raises:
        InputError: It cannot be written.
    """
    text = yaml.safe_dump(margins.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None


def _comparison(front: Front, row: FrontRow, loss: str) -> Comparison | None:
    control = next((c for c in front.controls if c.config["loss"] == loss), None)
    if control is None:
        return None
    names = [objective.name for objective in front.objectives]
    return Comparison(
        trial=control.number,
        metrics=dict(control.values),
        difference={name: row.values[name] - control.values[name] for name in names},
        differs_in={
            name: {"tuned": value, "control": control.config[name]}
            for name, value in row.config.items()
            if name not in TCM_FIELDS and value != control.config[name]
        },
    )


def _operating_point(values: Mapping[str, float], scoring: Mapping[str, Any]) -> OperatingPoint:
    distance = values["operating_threshold"]
    return OperatingPoint(
        distance=distance,
        cosine_similarity=1 - distance**2 / 2,
        far=scoring["operating_far"],
        d_min=values["d_min"],
        d_max=values["d_max"],
        split=SPLIT,
    )


def _provenance(sweep: SweepRecord, front: Front) -> dict[str, Any]:
    return {
        **sweep.provenance,
        "created_at": sweep.created_at.isoformat(timespec="seconds"),
        "sweep_state": sweep.state.value,
        "objectives": [objective.name for objective in front.objectives],
        "completed_trials": len(front.rows),
        "front_trials": [member.number for member in front.members],
        "hypervolume": front.hypervolume,
    }

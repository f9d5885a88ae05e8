"""Tuned margins of a front: the file that is made of a picked trial."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel

from objectives import InputError
from sweeps.files import write_whole
from sweeps.results.final_values import SPLIT, final_measurements
from sweeps.results.pairs import Pair
from sweeps.results.picking import KNEE, advice, pick_trial, unproven
from sweeps.results.ranking import RankedTrials, ranked_trials
from sweeps.spec import KeptRun, PickedTrial, Reference, workload_of
from sweeps.store import MeasurementRecord, Store, SweepRecord
from trainer import Split

__all__ = ["export_margins", "margins_of", "write_margins"]


def export_margins(
    store: Store,
    sweep: str,
    *,
    pick: str = KNEE,
    limits: Mapping[str, float] | None = None,
    force: bool = False,
    kept: tuple[int, str] | None = None,
) -> BaseModel:
    """Gather all that a training script needs of one trial of a sweep.

    Args:
        store: The record.
        sweep: Name of the sweep.
        pick: As `pick_trial`.
        limits: As `pick_trial`.
        force: Whether to export, marked, what noise explains as well.
        kept: Seed of the pick's run whose weights were kept (`sweeps.home.kept_seeds`), and the
            name of the file that they are exported to; None where they are not.

    Returns:
        The export of the sweep's workload: for metric learning a `trainer.TunedMargins`.

    Raises:
        InputError: As `pick_trial`, there is no such sweep, its workload exports nothing, or noise
            explains what the pick gains (`unproven`).
    """
    ranked, measurements = ranked_trials(store, sweep), store.measurements(sweep)
    record, limits = store.sweep(sweep), limits or {}
    return margins_of(
        record,
        ranked,
        measurements,
        pick=pick,
        limits=limits,
        force=force,
        kept=kept,
    )


def margins_of(
    sweep: SweepRecord,
    ranked: RankedTrials,
    measurements: Iterable[MeasurementRecord],
    *,
    pick: str,
    limits: Mapping[str, float] = MappingProxyType({}),
    force: bool = False,
    kept: tuple[int, str] | None = None,
) -> BaseModel:
    """Return the export of a picked trial, from what `export_margins` reads.

    Raises:
        InputError: As `export_margins`.
    """
    workload = workload_of(sweep.spec)
    if workload.export is None:
        raise InputError(f"{sweep.name}: its workload exports nothing")
    chosen = pick_trial(ranked, pick, limits=limits)
    doubt = unproven(ranked, chosen)
    if doubt and not force:
        raise InputError(
            f"{sweep.name}: {doubt}; {advice(ranked)}; force exports it as it is",
            field=("force",),
        )
    measurements = tuple(measurements)
    held = final_measurements(measurements)[chosen.number]
    picked = PickedTrial(
        sweep=sweep.name,
        number=chosen.number,
        pick=pick,
        config=chosen.config,
        metrics=dict(chosen.values),
        split=SPLIT,
        epoch=held[0].epoch,
        seeds=chosen.seeds,
        intervals=dict(chosen.intervals),
        references=_references(ranked.pairs.get(chosen.number, ()), SPLIT),
        confirmed=_references(ranked.confirmed.get(chosen.number, ()), "test"),
        kept=_kept(measurements, chosen.number, kept) if kept else None,
        unproven=doubt,
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


def _kept(
    measurements: Iterable[MeasurementRecord], number: int, kept: tuple[int, str]
) -> KeptRun | None:
    seed, file = kept
    final = final_measurements(measurements, purpose=None, split=None)
    run = next((each for each in final.get(number, ()) if each.seed == seed), None)
    if run is None:
        return None
    return KeptRun(file=file, seed=seed, split=run.split, metrics=run.metrics)


def _references(pairs: Iterable[Pair], split: Split) -> dict[str, Reference]:
    return {pair.role: _reference(pair, split) for pair in pairs}


def _reference(pair: Pair, split: Split) -> Reference:
    return Reference(
        number=pair.number,
        seeds=pair.seeds,
        split=split,
        metrics=pair.others,
        tuned=pair.metrics,
        difference={
            name: (each.value, each.low, each.high) for name, each in pair.differences.items()
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

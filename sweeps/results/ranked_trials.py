"""The front of a sweep: its rows, its hypervolume, and the files that show it.

Every value here is from the validation split. A trial's value is that of its highest epoch, the
mean over seeds where several were trained that far.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from objectives import (
    Objective,
    front_ranks,
    hypervolume,
    hypervolume_contributions,
    knee,
    objective_pair,
)
from sweeps.files import write_whole
from sweeps.records import MeasurementRecord, TrialRecord, TrialState

if TYPE_CHECKING:
    from sweeps.store import Store

__all__ = [
    "SPLIT",
    "Front",
    "FrontRow",
    "build_front",
    "finished_trials",
    "front_document",
    "hypervolume_curve",
    "read_front",
    "write_front",
]

SPLIT = "validation"

_COLUMNS = ("number", "control", "rank", "hypervolume_contribution")


@dataclass(frozen=True, kw_only=True)
class FrontRow:
    """One finished trial as the front sees it.

    Attributes:
        number: The trial's number.
        control: Whether it is a control (TCM weight 0).
        rank: Rank by non-dominated sorting; 0 is on the front.
        hypervolume_contribution: Area that this trial alone dominates.
        values: All its metrics on the validation split.
        sampled: What the search space chose.
        config: Its whole configuration.
    """

    number: int
    control: bool
    rank: int
    hypervolume_contribution: float
    values: Mapping[str, float]
    sampled: Mapping[str, Any]
    config: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Front:
    """The finished trials of a sweep, in the order of their worth.

    Attributes:
        sweep: Name of the sweep.
        objectives: The two objectives, first the one on the x-axis.
        rows: All finished trials, by rank, then the best first objective first.
        hypervolume: Area that they dominate, up to the objectives' references.
        knee: Number of the trial that is the best compromise; None without a trial.
    """

    sweep: str
    objectives: tuple[Objective, Objective]
    rows: tuple[FrontRow, ...]
    hypervolume: float
    knee: int | None

    @property
    def members(self) -> tuple[FrontRow, ...]:
        """The non-dominated trials."""
        return tuple(row for row in self.rows if row.rank == 0)

    @property
    def controls(self) -> tuple[FrontRow, ...]:
        """The finished controls, whatever their rank."""
        return tuple(row for row in self.rows if row.control)


def build_front(
    sweep: str,
    objectives: tuple[Objective, Objective],
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
) -> Front:
    """Rank the COMPLETE trials; those without a value for both objectives are left out."""
    finished = finished_trials(objectives, trials, measurements)
    points = [_point(values, objectives) for _, values in finished]
    rows = [
        FrontRow(
            number=trial.number,
            control=trial.control,
            rank=rank,
            hypervolume_contribution=contribution,
            values=values,
            sampled=trial.sampled,
            config=trial.config,
        )
        for (trial, values), rank, contribution in zip(
            finished,
            front_ranks(points, objectives),
            hypervolume_contributions(points, objectives),
            strict=True,
        )
    ]
    first = objectives[0]
    return Front(
        sweep=sweep,
        objectives=objectives,
        rows=tuple(sorted(rows, key=lambda r: (r.rank, first.sign * r.values[first.name]))),
        hypervolume=hypervolume(points, objectives),
        knee=finished[knee(points, objectives)][0].number if points else None,
    )


def read_front(store: "Store", sweep: str) -> Front:
    """Build the front of a sweep from what the store has now."""
    spec = store.sweep(sweep).spec
    objectives = objective_pair(spec["objectives"], spec.get("reference", {}))
    return build_front(sweep, objectives, store.trials(sweep), store.measurements(sweep))


def finished_trials(
    objectives: Sequence[Objective],
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
) -> list[tuple[TrialRecord, Mapping[str, float]]]:
    """Return the COMPLETE trials that have a value for each objective, first finished first."""
    values = _final_values(measurements)
    names = [objective.name for objective in objectives]
    finished = [
        (trial, values[trial.number])
        for trial in trials
        if trial.state is TrialState.COMPLETE
        and all(name in values.get(trial.number, {}) for name in names)
    ]
    return sorted(finished, key=lambda pair: pair[0].finished_at or pair[0].started_at)


def hypervolume_curve(
    objectives: tuple[Objective, Objective],
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
) -> list[float]:
    """Hypervolume after each finished trial, in the order of `finished_trials`."""
    curve: list[float] = []
    front: list[list[float]] = []
    for _, values in finished_trials(objectives, trials, measurements):
        # Dominated points add no area, so only the front is carried on.
        front.append(_point(values, objectives))
        ranks = front_ranks(front, objectives)
        front = [point for point, rank in zip(front, ranks, strict=True) if rank == 0]
        curve.append(hypervolume(front, objectives))
    return curve


def front_document(front: Front) -> dict[str, Any]:
    """Return the front as plain JSON data: the contents of ``front.json``."""
    return {
        "sweep": front.sweep,
        "split": SPLIT,
        "objectives": [
            {"name": o.name, "label": o.label, "direction": o.direction, "worst": o.reference}
            for o in front.objectives
        ],
        "hypervolume": front.hypervolume,
        "knee": front.knee,
        "trials": [
            {column: getattr(row, column) for column in _COLUMNS}
            | {"values": dict(row.values), "sampled": dict(row.sampled)}
            | {"config": dict(row.config)}
            for row in front.rows
        ],
    }


def write_front(front: Front, folder: Path) -> tuple[Path, ...]:
    """Write ``front.json``, ``front.csv``, ``front.html`` and ``front.png``, each atomically.

    The HTML file holds its own copy of plotly.js and needs no network.

    Returns:
        The four paths.
    """
    from sweeps.plots import front_html, front_png  # plotly and matplotlib are slow to import

    contents = {
        "front.json": (json.dumps(front_document(front), indent=2) + "\n").encode(),
        "front.csv": _front_csv(front).encode(),
        "front.html": front_html(front).encode(),
        "front.png": front_png(front),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in contents)


def _final_values(measurements: Iterable[MeasurementRecord]) -> dict[int, Mapping[str, float]]:
    """Trial number -> metrics at its highest validation epoch, each the mean over seeds."""
    last: dict[int, list[MeasurementRecord]] = {}
    for measurement in measurements:
        if measurement.split != SPLIT:
            continue
        held = last.setdefault(measurement.number, [measurement])
        if measurement.epoch > held[0].epoch:
            last[measurement.number] = [measurement]
        elif measurement.epoch == held[0].epoch and measurement is not held[0]:
            held.append(measurement)
    return {number: _mean(held) for number, held in last.items()}


def _mean(measurements: Sequence[MeasurementRecord]) -> dict[str, float]:
    names = dict.fromkeys(name for m in measurements for name in m.metrics)
    return {
        name: fmean(m.metrics[name] for m in measurements if name in m.metrics) for name in names
    }


def _point(values: Mapping[str, float], objectives: Sequence[Objective]) -> list[float]:
    return [values[objective.name] for objective in objectives]


def _front_csv(front: Front) -> str:
    values = dict.fromkeys(name for row in front.rows for name in row.values)
    sampled = dict.fromkeys(name for row in front.rows for name in row.sampled)
    # The objectives come first, and are there even when no trial is.
    metrics = dict.fromkeys(o.name for o in front.objectives) | values
    out = io.StringIO()
    writer = csv.DictWriter(out, [*_COLUMNS, *metrics, *sampled], lineterminator="\n")
    writer.writeheader()
    for row in front.rows:
        head = {column: getattr(row, column) for column in _COLUMNS}
        writer.writerow({**row.sampled, **row.values, **head})
    return out.getvalue()

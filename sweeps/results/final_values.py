"""Final values of trials: the metrics at the highest epoch on the validation split.

Where several seeds were trained that far, a value is the mean over them.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

from objectives import Objective
from sweeps.store import MeasurementRecord, Purpose, TrialRecord, TrialState
from trainer import Split

__all__ = ["SPLIT", "final_measurements", "finished_trials", "mean_metrics"]

SPLIT: Final[Split] = "validation"


def finished_trials(
    objectives: Sequence[Objective],
    trials: Iterable[TrialRecord],
    measurements: Iterable[MeasurementRecord],
) -> list[tuple[TrialRecord, Mapping[str, float]]]:
    """Return the COMPLETE trials that have a value for each objective, first finished first.

    What was measured only to report on them does not count.
    """
    final = final_measurements(measurements)
    values = {number: mean_metrics(held) for number, held in final.items()}
    names = [objective.name for objective in objectives]
    finished = [
        (trial, values[trial.number])
        for trial in trials
        if trial.state is TrialState.COMPLETE
        and all(name in values.get(trial.number, {}) for name in names)
    ]
    return sorted(finished, key=lambda pair: pair[0].finished_at or pair[0].started_at)


def final_measurements(
    measurements: Iterable[MeasurementRecord],
    *,
    purpose: Purpose | None = Purpose.SEARCH,
    split: Split | None = SPLIT,
) -> dict[int, tuple[MeasurementRecord, ...]]:
    """Return those of each trial at its highest epoch, one for each seed, by number.

    Args:
        measurements: Of a sweep.
        purpose: Of the runs that count; None: all do.
        split: Whose classes they were scored on; None: any.
    """
    last: dict[int, tuple[MeasurementRecord, ...]] = {}
    for measurement in measurements:
        if split not in (None, measurement.split) or purpose not in (None, measurement.purpose):
            continue
        held = last.get(measurement.number, ())
        if not held or measurement.epoch > held[0].epoch:
            last[measurement.number] = (measurement,)
        elif measurement.epoch == held[0].epoch:
            last[measurement.number] = (*held, measurement)
    return last


def mean_metrics(measurements: Sequence[MeasurementRecord]) -> dict[str, float]:
    """Return the mean of each metric over the measurements that have it."""
    names = dict.fromkeys(name for m in measurements for name in m.metrics)
    return {
        name: fmean(m.metrics[name] for m in measurements if name in m.metrics) for name in names
    }

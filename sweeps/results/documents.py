"""Documents of sweeps as plain JSON data: the list of them, and the status of one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sweeps.results.final_values import final_measurements
from sweeps.store import AttemptRecord, MeasurementRecord, SweepRecord, TrialRecord, TrialState

__all__ = ["failures_document", "status_document", "sweep_document"]


def sweep_document(sweep: SweepRecord, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return a sweep with the number of its trials in each state."""
    return _plain(sweep) | {"trials": dict(counts)}


def status_document(
    sweep: SweepRecord,
    trials: Sequence[TrialRecord],
    measurements: Sequence[MeasurementRecord],
) -> dict[str, Any]:
    """Return a sweep with its trials and the epoch that each has reached."""
    final = final_measurements(measurements, purpose=None, split=None)
    rows = [
        asdict(trial) | {"epoch": final[trial.number][0].epoch if trial.number in final else 0}
        for trial in trials
    ]
    return _plain(sweep) | {"trials": rows}


def failures_document(attempts: Sequence[AttemptRecord]) -> list[dict[str, Any]]:
    """Return the attempts at runs that failed or were lost."""
    bad = (TrialState.FAILED, TrialState.LOST)
    return [asdict(each) for each in attempts if each.state in bad]


def _plain(sweep: SweepRecord) -> dict[str, Any]:
    record = asdict(sweep)
    del record["recorded_objectives"]  # the spec names them
    return record

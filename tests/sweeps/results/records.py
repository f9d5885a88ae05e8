"""Records of a small sweep, as the store has them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from objectives import get_objective
from sweeps.store import BaselineRecord, MeasurementRecord, TrialRecord, TrialState
from trainer import Split

START = datetime(2026, 1, 1, tzinfo=UTC)
# Without a tolerance no control limits what may be picked.
PAIR = (replace(get_objective("recall_at_1"), tolerance=None), get_objective("opis"))


def trial(
    number: int,
    state: TrialState = TrialState.COMPLETE,
    *,
    control: bool = False,
    minutes: float | None = None,
) -> TrialRecord:
    return TrialRecord(
        number=number,
        config={"margin_positive": 0.9, "loss": "smooth_ap", "seed": 0},
        sampled={"margin_positive": 0.9, "loss": "smooth_ap"},
        control=control,
        state=state,
        reason=None,
        started_at=START,
        finished_at=START + timedelta(minutes=number if minutes is None else minutes),
    )


def measured(
    number: int,
    recall: float,
    opis: float,
    *,
    epoch: int = 2,
    seed: int = 0,
    split: Split = "validation",
) -> MeasurementRecord:
    return MeasurementRecord(
        number=number,
        epoch=epoch,
        seed=seed,
        split=split,
        metrics={"recall_at_1": recall, "opis": opis, "extra": 7.0},
        recorded_at=START,
    )


def baseline(
    number: int,
    label: str,
    recall: float | None,
    opis: float = 0.02,
    *,
    split: Split = "validation",
) -> BaselineRecord:
    """Make a baseline; without a recall one that failed."""
    return BaselineRecord(
        number=number,
        split=split,
        name=label.replace(" ", "_"),
        label=label,
        fields={},
        metrics=None if recall is None else {"recall_at_1": recall, "opis": opis},
        reason="no weights" if recall is None else None,
        recorded_at=START,
    )


# 0 and 1 and 3 are the front, 2 is dominated by 1, 3 is a control.
TRIALS = [trial(0), trial(1), trial(2), trial(3, control=True)]
MEASUREMENTS = [
    measured(0, 0.60, 0.001),
    measured(1, 0.80, 0.002),
    measured(2, 0.75, 0.003),
    measured(3, 0.85, 0.010),
]

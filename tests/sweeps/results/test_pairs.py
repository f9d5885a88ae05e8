from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from objectives import get_objective
from sweeps.results.pairs import Pair, pairs_of
from sweeps.spec.metric_learning import workload
from sweeps.store import MeasurementRecord, Purpose, TrialRecord, TrialState
from trainer import Split, TrialConfig

START = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = (get_objective("recall_at_1"), get_objective("opis"))
FRESH = 1_000_000


def trial(number: int, weight: float) -> TrialRecord:
    config = TrialConfig(weight_positive=weight, weight_negative=weight, margin_positive=0.8)
    return TrialRecord(
        number=number,
        config=config.model_dump(),
        sampled={},
        control=not weight,
        state=TrialState.COMPLETE,
        reason=None,
        started_at=START,
        finished_at=START,
    )


# 0 is the control of both others, which have other weights.
TRIALS = [trial(0, 0.0), trial(1, 0.5), trial(2, 0.25)]


def run(
    number: int,
    seed: int,
    metrics: Mapping[str, float],
    *,
    split: Split = "validation",
) -> MeasurementRecord:
    return MeasurementRecord(
        number=number,
        epoch=3,
        seed=seed,
        split=split,
        metrics=metrics,
        recorded_at=START,
        purpose=Purpose.REPORT if seed >= FRESH else Purpose.SEARCH,
    )


def scored(recall: float, opis: float) -> dict[str, float]:
    return {"recall_at_1": recall, "opis": opis}


REPORTS = [run(0, FRESH, scored(0.8, 0.004)), run(1, FRESH, scored(0.85, 0.003))]
CHOSE = [
    run(0, 0, scored(0.80, 0.0040)),
    run(0, 1, scored(0.81, 0.0041)),
    run(1, 0, scored(0.90, 0.0020)),
    run(1, 1, scored(0.89, 0.0022)),
]


def pair(measurements: list[MeasurementRecord]) -> Pair:
    found = pairs_of(TRIALS, measurements, rule=workload.rules.control, objectives=PAIR)
    [only] = found[1]
    assert (only.role, only.number, only.seeds) == ("control", 0, (FRESH,))
    return only


def test_runs_that_chose_tell_of_the_noise_alone() -> None:
    assert not any(each.is_known for each in pair(REPORTS).differences.values())
    both = pair([*REPORTS, *CHOSE])
    assert all(each.is_known for each in both.differences.values())
    # What chose speaks too well of a trial, and is left out of what it gains.
    assert both.differences["recall_at_1"].value == pytest.approx(0.05)
    assert both.metrics["opis"] == pytest.approx(0.003)


def test_the_noise_is_that_of_the_trials_compared_on_their_split() -> None:
    expected = pair([*REPORTS, *CHOSE])
    collapsed = [run(2, 0, scored(0.9, 0.003)), run(2, 1, scored(0.0, 1e-9))]
    elsewhere = [run(0, 2, scored(0.1, 0.9), split="test"), run(1, 2, scored(0, 0), split="test")]
    assert pair([*REPORTS, *CHOSE, *collapsed, *elsewhere]) == expected


def test_a_run_without_a_metric_tells_of_the_others() -> None:
    lacking = [*CHOSE[:2], *(run(1, seed, {"recall_at_1": 0.89}) for seed in (0, 1))]
    found = pair([*REPORTS, *lacking]).differences
    assert (found["recall_at_1"].is_known, found["opis"].is_known) == (True, False)

from dataclasses import replace

import pytest

from sweeps.results import RankedTrials, rank_trials
from sweeps.store import MeasurementRecord, Purpose, TrialState

from .records import MEASUREMENTS, PAIR, TRIALS, measured, trial


def test_rows_are_ordered_by_rank_then_best_first_objective(front: RankedTrials) -> None:
    assert [(row.number, row.rank) for row in front.trials] == [(3, 0), (1, 0), (0, 0), (2, 1)]
    assert [row.number for row in front.front] == [3, 1, 0]
    assert [row.number for row in front.controls] == [3]


def test_a_first_objective_to_be_minimised_puts_the_smallest_first() -> None:
    front = rank_trials("demo", (PAIR[1], PAIR[0]), TRIALS, MEASUREMENTS)
    assert [row.number for row in front.front] == [0, 1, 3]


def test_hypervolume_knee_and_contributions(front: RankedTrials) -> None:
    # Rectangles towards recall 0 and OPIS 0.25.
    area = 0.60 * 0.249 + 0.20 * 0.248 + 0.05 * 0.240
    assert front.hypervolume == pytest.approx(area)
    assert front.knee == 1
    alone = {row.number: row.hypervolume_contribution for row in front.trials}
    # Trial 2 dominates a part of what 1 does.
    only_1 = 0.2 * 0.008 - 0.15 * 0.007
    assert alone == pytest.approx({0: 0.6 * 0.001, 1: only_1, 2: 0.0, 3: 0.05 * 0.24})


@pytest.mark.parametrize("state", [s for s in TrialState if s is not TrialState.COMPLETE])
def test_only_complete_trials_stand_on_a_front(state: TrialState) -> None:
    trials = [trial(0), trial(1, state)]
    front = rank_trials("demo", PAIR, trials, [measured(0, 0.5, 0.1), measured(1, 0.9, 0.0)])
    assert [row.number for row in front.trials] == [0]


def test_trials_without_a_value_for_both_objectives_are_left_out() -> None:
    half = replace(measured(1, 0.9, 0.0), metrics={"recall_at_1": 0.9})
    tested = measured(2, 0.9, 0.0, split="test")
    front = rank_trials(
        "demo", PAIR, [trial(n) for n in range(4)], [measured(0, 0.5, 0.1), half, tested]
    )
    assert [row.number for row in front.trials] == [0]


def test_value_is_that_of_the_highest_validation_epoch_as_mean_over_seeds() -> None:
    measurements = [
        measured(0, 0.5, 0.01, epoch=3, seed=1),
        measured(0, 0.9, 0.00, epoch=1),
        measured(0, 0.7, 0.03, epoch=3, seed=0),
        measured(0, 0.9, 0.00, epoch=2, seed=2),
        measured(0, 0.1, 0.20, epoch=9, split="test"),
    ]
    for order in (measurements, measurements[::-1]):
        (row,) = rank_trials("demo", PAIR, [trial(0)], order).trials
        assert row.means == pytest.approx({"recall_at_1": 0.6, "opis": 0.02})
        assert row.values["extra"] == 7.0
        assert row.runs == 2


def test_what_reports_on_a_choice_takes_no_part_in_it() -> None:
    again = [replace(each, seed=1, metrics=_moved(each, 0.01)) for each in MEASUREMENTS]
    chosen = rank_trials("demo", PAIR, TRIALS, [*MEASUREMENTS, *again])
    # The knee does much worse under fresh seeds than in the search.
    knee = next(each for each in MEASUREMENTS if each.number == chosen.knee)
    reports = [
        replace(knee, seed=100 + k, purpose=Purpose.REPORT, metrics=_moved(knee, -0.3))
        for k in range(2)
    ]
    told = rank_trials("demo", PAIR, TRIALS, [*MEASUREMENTS, *again, *reports])
    assert told.knee == chosen.knee
    before, after = ({row.number: row for row in each.trials} for each in (chosen, told))
    for number, row in after.items():
        assert (row.rank, row.chance) == (before[number].rank, before[number].chance)
        assert row.searched == before[number].searched
    said = after[knee.number]
    assert said.seeds == (0, 1, 100, 101)
    assert said.values["recall_at_1"] < before[knee.number].values["recall_at_1"] - 0.05
    assert before[knee.number].values["recall_at_1"] == said.searched["recall_at_1"]
    low, high = said.intervals["recall_at_1"]
    assert low < said.values["recall_at_1"] < high


def _moved(measurement: MeasurementRecord, by: float) -> dict[str, float]:
    recall = measurement.metrics["recall_at_1"] + by
    return {**measurement.metrics, "recall_at_1": recall}

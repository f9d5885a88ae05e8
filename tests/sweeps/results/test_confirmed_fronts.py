"""Optimistic and pessimistic fronts of confirmed trials."""

import pytest

from objectives import hypervolume
from sweeps.results import (
    Pair,
    RankedTrials,
    front_document,
    fronts_of_confirmed,
    rank_trials,
)

from .records import MEASUREMENTS, PAIR, TRIALS


def pair(recall: float, opis: float, *, seeds: int = 5) -> Pair:
    return Pair(
        role="control",
        number=9,
        seeds=tuple(range(seeds)),
        metrics={"recall_at_1": recall, "opis": opis, "extra": 1.0},
        others={},
        differences={},
    )


def confirmed(**pairs: tuple[Pair, ...]) -> RankedTrials:
    ranked = rank_trials("s", PAIR, TRIALS, MEASUREMENTS)
    by_number = {int(name[1:]): held for name, held in pairs.items()}
    return RankedTrials(
        sweep="s",
        objectives=PAIR,
        trials=ranked.trials,
        hypervolume=ranked.hypervolume,
        knee=ranked.knee,
        confirmed=by_number,
    )


def test_a_member_that_is_dominated_on_the_test_classes_is_on_the_pessimistic_front() -> None:
    # 3 keeps its place; 0 turns out worse than 1 in both.
    ranked = confirmed(t0=(pair(0.5, 0.004),), t1=(pair(0.7, 0.003),), t3=(pair(0.8, 0.006),))
    fronts = fronts_of_confirmed(ranked)
    assert fronts is not None
    assert set(fronts.optimistic) == {1, 3}
    assert set(fronts.pessimistic) == {0, 3}
    low, high = fronts.hypervolumes
    assert low == pytest.approx(hypervolume([(0.5, 0.004), (0.8, 0.006)], PAIR))
    assert high == pytest.approx(hypervolume([(0.7, 0.003), (0.8, 0.006)], PAIR))
    assert low < high
    assert front_document(ranked)["confirmed_fronts"] == {
        "optimistic": {"trials": list(fronts.optimistic), "hypervolume": high},
        "pessimistic": {"trials": list(fronts.pessimistic), "hypervolume": low},
    }


def test_both_fronts_are_one_where_the_trade_off_holds() -> None:
    fronts = fronts_of_confirmed(confirmed(t0=(pair(0.6, 0.001),), t1=(pair(0.7, 0.003),)))
    assert fronts is not None
    assert set(fronts.optimistic) == set(fronts.pessimistic) == {0, 1}
    assert fronts.hypervolumes[0] == fronts.hypervolumes[1]


def test_values_are_those_of_the_pair_with_most_seeds() -> None:
    few, many = pair(0.1, 0.1, seeds=2), pair(0.6, 0.001, seeds=4)
    fronts = fronts_of_confirmed(confirmed(t0=(few, many), t1=(few,)))
    assert fronts is not None
    assert fronts.values == {
        0: {"recall_at_1": 0.6, "opis": 0.001},
        1: {"recall_at_1": 0.1, "opis": 0.1},
    }
    assert fronts.seeds == {0: 4, 1: 2}


def test_none_of_fewer_than_two_members() -> None:
    one = (pair(0.6, 0.001),)
    assert fronts_of_confirmed(confirmed()) is None
    assert front_document(confirmed())["confirmed_fronts"] is None
    assert fronts_of_confirmed(confirmed(t0=one)) is None
    # Trial 2 was confirmed, but it is not on the front.
    assert fronts_of_confirmed(confirmed(t0=one, t2=one)) is None

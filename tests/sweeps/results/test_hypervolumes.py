import pytest

from objectives import hypervolume
from sweeps.results import hypervolume_curve, rank_trials

from .records import MEASUREMENTS, PAIR, trial


def test_hypervolume_curve_follows_the_order_of_finishing() -> None:
    trials = [trial(0, minutes=9), trial(1, minutes=1), trial(2, minutes=5), trial(3, minutes=2)]
    points = [[m.metrics["recall_at_1"], m.metrics["opis"]] for m in MEASUREMENTS]
    order = [points[n] for n in (1, 3, 2, 0)]
    expected = [hypervolume(order[: k + 1], PAIR) for k in range(4)]
    curve = hypervolume_curve(PAIR, trials, MEASUREMENTS)
    assert curve == pytest.approx(expected)
    assert curve == sorted(curve)
    assert curve[-1] == rank_trials("demo", PAIR, trials, MEASUREMENTS).hypervolume

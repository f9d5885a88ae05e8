from itertools import pairwise, product

import pytest

from objectives import Objective
from objectives.objective import Direction
from sweeps.results import RankedTrials, rank_trials
from sweeps.results.plots.layout import axes_of, band, staircase
from tests.sweeps.results.records import measured, trial


def objective(name: str, direction: Direction) -> Objective:
    worst = 0.0 if direction == "maximize" else 1.0
    return Objective(
        name=name, direction=direction, label=name, aspect=name, ideal=0.0, reference=worst
    )


@pytest.mark.parametrize(("first", "second"), [*product(["maximize", "minimize"], repeat=2)])
def test_staircase_bounds_what_the_front_attains(first: Direction, second: Direction) -> None:
    pair = objective("recall_at_1", first), objective("opis", second)
    places = [(0.2, 0.3), (0.5, 0.6), (0.8, 0.8), (0.3, 0.9), (0.9, 0.2), (0.6, 0.4)]
    front = rank_trials(
        "demo",
        pair,
        [trial(n) for n in range(len(places))],
        [measured(n, *place) for n, place in enumerate(places)],
    )
    x, y = axes_of(front)
    xs, ys = staircase(front, x, y)
    corners = list(zip(xs, ys, strict=True))
    # Every step runs along an axis, and no corner is better than every member in some way.
    for (x0, y0), (x1, y1) in pairwise(corners):
        assert x0 == x1 or y0 == y1
    for cx, cy in corners:
        assert any(
            x.objective.sign * (cx - x.place(row)) >= 0
            and y.objective.sign * (cy - y.place(row)) >= 0
            for row in front.front
        )
    for row in front.front:
        assert (x.place(row), y.place(row)) in corners
    assert xs[0] == x.worst_edge
    assert ys[-1] == y.worst_edge


@pytest.mark.parametrize(("first", "second"), [*product(["maximize", "minimize"], repeat=2)])
def test_the_band_runs_along_the_front(first: Direction, second: Direction) -> None:
    pair = objective("recall_at_1", first), objective("opis", second)
    places = [(0.2, 0.3), (0.5, 0.6), (0.8, 0.8), (0.3, 0.9), (0.9, 0.2), (0.6, 0.4)]
    runs = [
        measured(n, one + step, other - step, seed=seed)
        for n, (one, other) in enumerate(places)
        for seed, step in enumerate((-0.005, 0.005))
    ]
    front = rank_trials("demo", pair, [trial(n) for n in range(len(places))], runs)
    x, y = axes_of(front)
    xs, best, worst = band(front, x, y)
    assert xs[0] == x.worst_edge
    steps = [x.objective.sign * (after - before) for before, after in pairwise(xs)]
    assert max(steps) <= 0
    # Between its ends is every member, whose place both stairs reach.
    assert all(y.objective.sign * (w - b) >= 0 for b, w in zip(best, worst, strict=True))
    for row in front.front:
        near = min(range(len(xs)), key=lambda k: abs(xs[k] - x.place(row)))
        around = range(max(near - 4, 0), min(near + 5, len(xs)))
        ends = [end[k] for k in around for end in (best, worst)]
        assert min(ends) <= y.place(row) <= max(ends)
    # Where nothing may be attained, it ends at the edge.
    assert worst[-1] == (y.high if second == "minimize" else y.low)


def test_there_is_no_band_without_noise(front: RankedTrials) -> None:
    assert front.band is None
    assert band(front, *axes_of(front)) == ([], [], [])


def test_small_values_are_shown_times_a_power_of_ten(front: RankedTrials) -> None:
    x, y = axes_of(front)
    assert x.title == "Recall@1 (higher is better)"
    assert y.title == "OPIS \N{MULTIPLICATION SIGN} 10² (lower is better)"
    assert [y.place(row) for row in front.front] == pytest.approx([1.0, 0.2, 0.1])

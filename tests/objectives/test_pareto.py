import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives import (
    Objective,
    front_ranks,
    get_objective,
    hypervolume,
    hypervolume_contributions,
    knee,
)
from objectives.pareto import _sum

from . import oracle

RECALL, OPIS = get_objective("recall_at_1"), get_objective("opis")
PAIR = (RECALL, OPIS)
SIGNS, WORST = (-1.0, 1.0), (0.0, 0.25)
Point = tuple[float, float]
# On a coarse grid, so that ties and duplicates occur; some lie beyond the reference.
ON_GRID = st.lists(
    st.tuples(
        st.integers(-1, 8).map(lambda step: step / 8), st.integers(0, 9).map(lambda step: step / 32)
    ),
    max_size=12,
)
ANYWHERE = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.25)), max_size=12)
POINTS = st.one_of(ON_GRID, ANYWHERE)


@given(points=POINTS)
def test_ranks_are_those_of_the_oracle(points: list[Point]) -> None:
    assert front_ranks(points, PAIR) == oracle.front_ranks(points, SIGNS)


@given(points=ON_GRID)
def test_ranks_under_other_directions(points: list[Point]) -> None:
    assert front_ranks(points, (OPIS, OPIS)) == oracle.front_ranks(points, (1, 1))
    assert front_ranks(points, (RECALL, RECALL)) == oracle.front_ranks(points, (-1, -1))
    assert front_ranks(points, (OPIS, RECALL)) == oracle.front_ranks(points, (1, -1))


@given(points=POINTS)
def test_areas_are_those_of_the_oracle(points: list[Point]) -> None:
    whole, alone = oracle.areas(points, SIGNS, WORST)
    assert hypervolume(points, PAIR) == pytest.approx(whole, abs=1e-12)
    assert hypervolume_contributions(points, PAIR) == pytest.approx(alone, abs=1e-12)


@given(points=POINTS, seed=st.integers(0, 99))
def test_order_changes_nothing(points: list[Point], seed: int) -> None:
    order = list(range(len(points)))
    random.Random(seed).shuffle(order)
    moved = [points[i] for i in order]
    assert front_ranks(moved, PAIR) == [front_ranks(points, PAIR)[i] for i in order]
    assert hypervolume(moved, PAIR) == pytest.approx(hypervolume(points, PAIR), abs=1e-15)
    contributions = hypervolume_contributions(points, PAIR)
    wanted = [contributions[i] for i in order]
    assert hypervolume_contributions(moved, PAIR) == pytest.approx(wanted, abs=1e-12)


@given(points=POINTS.filter(bool), choice=st.integers(0, 99), worse=st.floats(0, 0.5))
def test_a_dominated_point_changes_nothing(points: list[Point], choice: int, worse: float) -> None:
    x, y = points[choice % len(points)]
    more = [*points, (x - worse, y + worse / 4)]
    front = [rank == 0 for rank in front_ranks(points, PAIR)]
    assert [rank == 0 for rank in front_ranks(more, PAIR)[:-1]] == front
    assert hypervolume(more, PAIR) == hypervolume(points, PAIR)


def test_ranks_by_hand() -> None:
    points = [(0.9, 0.1), (0.8, 0.05), (0.9, 0.2), (0.8, 0.2), (0.9, 0.1), (0.1, 0.25)]
    assert front_ranks(points, PAIR) == [0, 0, 1, 2, 0, 3]


def test_areas_by_hand() -> None:
    points = [(0.5, 0.05), (1.0, 0.15), (0.4, 0.2)]
    assert hypervolume(points, PAIR) == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert hypervolume_contributions(points, PAIR) == pytest.approx([0.5 * 0.1, 0.5 * 0.1, 0])
    assert hypervolume_contributions([points[0], points[0]], PAIR) == [0, 0]
    assert hypervolume([(0.0, 0.1), (0.5, 0.25)], PAIR) == 0


@pytest.mark.parametrize("points", [[], torch.zeros(0, 2)], ids=["list", "tensor"])
def test_no_points(points: list[Point] | torch.Tensor) -> None:
    assert front_ranks(points, PAIR) == []
    assert hypervolume(points, PAIR) == 0
    assert hypervolume_contributions(points, PAIR) == []
    with pytest.raises(ValueError, match="no points"):
        knee(points, PAIR)


def test_tensors_of_any_dtype() -> None:
    points = torch.tensor([[0.5, 0.125], [1.0, 0.25], [0.25, 0.125]])
    assert front_ranks(points, PAIR) == [0, 0, 1]
    assert hypervolume(points, PAIR) == 0.0625


@pytest.mark.parametrize("call", [front_ranks, hypervolume, hypervolume_contributions, knee])
@pytest.mark.parametrize(
    ("points", "objectives", "message"),
    [
        ([(0.5, math.nan)], PAIR, "finite"),
        ([(math.inf, 0.1)], PAIR, "finite"),
        ([(0.5, 0.1, 0.2)], PAIR, "N x 2"),
        ([(0.5,), (0.1,)], PAIR, "N x 2"),
        ([(0.5, 0.1), (0.5,)], PAIR, "N x 2"),
        ([0.5, 0.1], PAIR, "N x 2"),
        (torch.tensor([0.5, 0.1]), PAIR, "N x 2"),
        ([(0.5, 0.1)], (OPIS,), "two objectives"),
        ([(0.5, 0.1)], (OPIS, OPIS, OPIS), "two objectives"),
    ],
)
def test_bad_points_are_refused(
    call: object, points: list[Point], objectives: tuple[Objective, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call(points, objectives)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("points", "index"),
    [
        pytest.param([(0.5, 0.1)], 0, id="one point"),
        pytest.param([(0.0, 0.25)], 0, id="one point at the reference"),
        pytest.param([(0.5, 0.1)] * 3, 0, id="all equal"),
        pytest.param([(0.9, 0.1), (0.95, 0.2)], 0, id="two points: 0.090 against 0.0025"),
        pytest.param([(0.5, 0.2), (0.55, 0.21), (0.9, 0.22), (1.0, 0.24)], 2, id="bulging"),
        pytest.param([(0.4, 0.0), (0.9, 0.1), (0.8, 0.2), (1.0, 0.2)], 1, id="with dominated"),
        # Both inner points lie behind the line. Shortfalls over their means 0.375 and 0.1625:
        # 1.60 + 0.12, 1.33 + 1.23, 1.07 + 1.29, 0 + 1.35.
        pytest.param([(0.4, 0.02), (0.5, 0.2), (0.6, 0.21), (1.0, 0.22)], 3, id="hollow"),
        pytest.param([(0.90, 0.004), (0.89, 0.002)], 1, id="half the OPIS for a hundredth"),
        pytest.param([(0.933, 0.00270), (0.894, 0.00258)], 0, id="little OPIS for much recall"),
        pytest.param([(0.0, 0.2), (0.5, 0.1), (1.0, 0.0)], 2, id="more than one is best"),
    ],
)
def test_knee_by_hand(points: list[Point], index: int) -> None:
    assert knee(points, PAIR) == index


def test_knee_of_a_nearly_straight_front_falls_least_short() -> None:
    """Shortfalls over their means 0.4167 and 0.1663: 1.8 + 0.6, 1.2 + 0.9, 0 + 1.5."""
    assert knee([(0.25, 0.1), (0.5, 0.15), (1.0, 0.249)], PAIR) == 2


def test_knee_is_no_other_where_a_point_is_repeated() -> None:
    assert knee([(0.9, 0.1), (0.95, 0.2)], PAIR) == 0
    assert knee([(0.9, 0.1), (0.9, 0.1), (0.95, 0.2)], PAIR) == 0


def test_knee_is_no_other_where_a_dominated_point_is_added() -> None:
    front = [(0.9, 0.1), (0.95, 0.2)]
    assert knee([*front, (0.899, 0.101)], PAIR) == knee(front, PAIR) == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 63, 64, 70, 300, 1100, 3000])
def test_sums_that_decide_ties_are_taken_in_the_order_of_torch(n: int) -> None:
    columns = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    assert [_sum(column.tolist()) for column in columns.T] == columns.sum(0).tolist()


@settings(max_examples=60)
@given(points=POINTS.filter(bool))
def test_knee_stands_on_the_front_at_its_best_compromise(points: list[Point]) -> None:
    ranks = oracle.front_ranks(points, SIGNS)
    chosen = knee(points, PAIR)
    assert ranks[chosen] == 0
    front = [point for point, rank in zip(points, ranks, strict=True) if rank == 0]
    gains = {point: _beyond_the_line(point, front) for point in front}
    if len(set(front)) > 2 and max(gains.values()) > 1e-6:
        assert gains[points[chosen]] == pytest.approx(max(gains.values()), abs=1e-9)


def _beyond_the_line(point: Point, front: list[Point]) -> float:
    """Signed distance from the line between the extremes, in the front's own unit square."""
    (left, bottom), (right, top) = min(front), max(front)
    x, y = (point[0] - left) / (right - left or 1), (point[1] - bottom) / (top - bottom or 1)
    return (x - y) / math.sqrt(2)

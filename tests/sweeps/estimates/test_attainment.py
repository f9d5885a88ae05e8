"""Quantiles of what drawn fronts attain."""

import numpy as np
import pytest

from sweeps.estimates import Array, attained

LEVELS = (0.25, 0.5, 1.0)


def naive(points: Array, signs: Array, first: float, level: float) -> float:
    """By loops: of each draw the best second value among those with such a first one."""
    best = []
    for draw in points:
        with_it = [second for value, second in draw if signs[0] * value <= signs[0] * first]
        best.append(min((signs[1] * second for second in with_it), default=np.inf))
    # The least that so many draws reach or beat.
    return float(signs[1] * sorted(best)[int(np.ceil(level * len(best))) - 1])


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_quantiles_are_those_of_a_loop(signs: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    points = generator.standard_normal((8, 5, 2))
    first = np.linspace(-2.5, 2.5, 11)
    turned = np.array(signs, dtype=float)
    found = attained(points, turned, first, LEVELS)
    expected = [[naive(points, turned, value, level) for value in first] for level in LEVELS]
    assert found.tolist() == expected


def test_what_too_few_draws_reach_is_infinite_on_the_worse_side() -> None:
    points = np.array([[[0.9, 1.0]], [[0.5, 2.0]]])
    found = attained(points, np.array([-1.0, 1.0]), np.array([0.4, 0.7, 1.0]), (0.5, 1.0))
    assert found.tolist() == [[1.0, 1.0, np.inf], [2.0, np.inf, np.inf]]
    found = attained(points, np.array([-1.0, -1.0]), np.array([0.4, 0.7, 1.0]), (0.5, 1.0))
    assert found.tolist() == [[2.0, 1.0, -np.inf], [1.0, -np.inf, -np.inf]]

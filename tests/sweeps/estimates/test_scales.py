from dataclasses import replace

import numpy as np
import pytest

from objectives import Objective, Scale, get_objective
from sweeps.estimates import scaled, unscaled

PAIR = (get_objective("recall_at_1"), get_objective("opis"))
SILENT = np.zeros((2, 2))


def pair(first: Scale, second: Scale) -> tuple[Objective, Objective]:
    return replace(PAIR[0], scale=first), replace(PAIR[1], scale=second)


def test_shares_are_odds_and_opis_is_a_logarithm() -> None:
    assert scaled(np.array([0.75, 1.0]), PAIR) == pytest.approx([np.log(3), 0])
    assert scaled(np.array([0.75, 1.0]), pair("linear", "linear")).tolist() == [0.75, 1.0]


@pytest.mark.parametrize("objectives", [PAIR, pair("linear", "logit"), pair("log", "linear")])
def test_back_and_forth(objectives: tuple[Objective, Objective]) -> None:
    values = np.random.default_rng(0).uniform(0.01, 0.99, (3, 5, 2))
    back = unscaled(scaled(values, objectives), objectives, noise=SILENT)
    assert back == pytest.approx(values)


def test_ends_have_a_finite_place() -> None:
    ends = scaled(np.array([[0.0, 0.0], [1.0, 0.0]]), PAIR)
    assert np.isfinite(ends).all()
    assert ends[0, 0] < 0 < ends[1, 0]


@pytest.mark.parametrize("objectives", [PAIR, pair("log", "logit")])
def test_what_comes_back_is_the_mean_over_seeds(objectives: tuple[Objective, Objective]) -> None:
    point, noise = np.array([-2.0, -1.5]), np.diag([0.04, 0.02])
    seeds = np.random.default_rng(1).multivariate_normal(point, noise, 400_000)
    mean = unscaled(seeds, objectives, noise=SILENT).mean(0)
    assert unscaled(point, objectives, noise=noise) == pytest.approx(mean, rel=2e-3)
    assert unscaled(point, objectives, noise=SILENT) != pytest.approx(mean, rel=5e-3)

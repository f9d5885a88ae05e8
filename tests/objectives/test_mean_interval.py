import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.mean_interval import _t_quantile, mean_interval


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("freedom", [5, 12, 99, 5000])
def test_quantiles_are_those_of_student(level: float, freedom: int) -> None:
    wanted = scipy.stats.t.ppf((1 + level) / 2, freedom)
    assert _t_quantile((1 + level) / 2, freedom) == pytest.approx(wanted, rel=0.01)


def test_values_without_skewness_have_the_interval_of_student() -> None:
    values = torch.tensor([-3.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0]).double()
    wanted = scipy.stats.t.interval(0.95, 8, 1.0, scipy.stats.sem(values.numpy()))
    assert mean_interval(values, 0.95) == pytest.approx(wanted, rel=1e-3)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-1, 1), min_size=12, max_size=40), level=st.floats(0.6, 0.99))
def test_interval_is_no_narrower_than_student_and_turns_with_the_sign(
    values: list[float], level: float
) -> None:
    given_ = torch.tensor(values).double()
    low, high = mean_interval(given_, level)
    mean, error = float(given_.mean()), float(given_.std()) / math.sqrt(len(values))
    reach = 0.99 * scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * error
    assert low <= mean - reach + 1e-12
    assert high >= mean + reach - 1e-12
    assert mean_interval(-given_, level) == pytest.approx((-high, -low), abs=1e-9)


def test_ends_of_hall_are_where_his_transformation_is_the_quantile() -> None:
    values = torch.tensor(np.random.default_rng(0).exponential(size=60) ** 2)
    low, high = mean_interval(values, 0.95)
    mean, deviation = float(values.mean()), float(values.std())
    skewness = float((values - mean).pow(3).mean()) / deviation**3
    w = (mean - high) / deviation
    turned = w + skewness * w**2 / 3 + skewness**2 * w**3 / 27 + skewness / (6 * 60)
    assert turned * math.sqrt(60) == pytest.approx(scipy.stats.t.ppf(0.025, 59), rel=1e-3)
    assert low == pytest.approx(mean - 2.001 * deviation / math.sqrt(60), rel=1e-3)


def test_mean_of_skewed_values_is_held_more_often_than_by_student() -> None:
    drawn = np.random.default_rng(1).exponential(size=(1500, 40)) ** 2  # of mean 2
    held, by_student = 0, 0
    for values in torch.from_numpy(drawn):
        low, high = mean_interval(values, 0.95)
        held += low <= 2 <= high
        error = float(values.std()) / math.sqrt(40)
        by_student += abs(float(values.mean()) - 2) <= 2.023 * error
    assert held >= 0.92 * 1500 > by_student + 45


def test_one_value_has_none_and_equal_ones_a_point() -> None:
    assert all(math.isnan(end) for end in mean_interval(torch.ones(1).double(), 0.95))
    assert mean_interval(torch.ones(5).double(), 0.95) == (1.0, 1.0)

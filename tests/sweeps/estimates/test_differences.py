from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from objectives import get_objective
from sweeps.estimates import Difference, paired_differences

LINEAR = replace(get_objective("opis"), scale="linear")


def test_one_pair_has_the_interval_of_a_paired_t_test() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(2, 1, 7), generator.normal(1, 1, 7)
    [found] = paired_differences([(first, second)], LINEAR)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.value == pytest.approx((first - second).mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("name", "level"), [("opis", 0.003), ("recall_at_1", 0.97)])
@pytest.mark.parametrize("seeds", [2, 4])
def test_intervals_of_several_pairs_hold_the_truth(name: str, level: float, seeds: int) -> None:
    """Of pairs whose noise is in proportion to the slope of the scale, two of them far apart."""
    objective, generator = get_objective(name), np.random.default_rng(1)
    held = 0
    for _ in range(400):
        levels = np.array([level, level, 1 - (1 - level) * 3 if level > 0.5 else level * 3])
        units = levels if name == "opis" else levels * (1 - levels)
        noise = generator.normal(0, 0.1, (3, 2, seeds)) * units[:, None, None]
        truth = np.array([0.2, 0.0, -0.1]) * units
        pairs = [
            (one[0] + at + apart, one[1] + at)
            for one, at, apart in zip(noise, levels, truth, strict=True)
        ]
        for found, true in zip(paired_differences(pairs, objective), truth, strict=True):
            assert found.low is not None
            assert found.high is not None
            held += found.low <= true <= found.high
    assert 0.93 < held / 1200 < 0.97


def test_single_seeds_have_no_interval() -> None:
    one = np.array([1.0]), np.array([0.5])
    assert paired_differences([one, one], LINEAR) == [Difference(value=0.5)] * 2
    assert paired_differences([], LINEAR) == []


def test_better_and_worse_are_of_the_whole_interval() -> None:
    recall, opis = get_objective("recall_at_1"), get_objective("opis")
    sure = Difference(value=0.2, low=0.1, high=0.3)
    assert (sure.better(recall), sure.worse(recall)) == (True, False)
    assert (sure.better(opis), sure.worse(opis)) == (False, True)
    for open_ in (Difference(value=0.2, low=-0.1, high=0.5), Difference(value=0.2)):
        assert (open_.better(recall), open_.worse(recall)) == (False, False)
    assert (str(sure), str(Difference(value=-0.25))) == ("+0.2 ± 0.1", "-0.25")

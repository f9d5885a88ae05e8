import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from objectives.consistency import epsilon_opis, mean_over_range, opis, utility

from . import oracle

RATE = st.floats(0, 1)


def _curves(seed: int, classes: int, steps: int = 101) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    thresholds = torch.rand(steps, generator=generator).double().sort().values
    return torch.rand(classes, steps, generator=generator).double(), thresholds


@given(far=RATE, frr=RATE, c=st.floats(0.1, 10))
def test_utility_is_that_of_the_oracle(far: float, frr: float, c: float) -> None:
    got = utility(torch.tensor(far).double(), torch.tensor(frr).double(), c)
    wanted = oracle.utility(torch.tensor(far).double().item(), torch.tensor(frr).item(), c)
    assert float(got) == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    assert 0 <= float(got) <= 1 + 1e-12


def test_utility_by_hand() -> None:
    far = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.2], dtype=torch.float64)
    frr = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.6], dtype=torch.float64)
    wanted = torch.tensor([1.0, 0.0, 0.0, 0.0, 2 * 0.8 * 0.4 / 1.2], dtype=torch.float64)
    torch.testing.assert_close(utility(far, frr), wanted)
    # A large c makes it sensitivity, a small one specificity.
    assert float(utility(far[4], frr[4], 1e6)) == pytest.approx(0.4)
    assert float(utility(far[4], frr[4], 1e-6)) == pytest.approx(0.8)


def test_opis_by_hand() -> None:
    thresholds = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    apart = torch.tensor([[1.0, 1, 1], [0, 0, 0]], dtype=torch.float64)
    assert opis(apart, thresholds) == 0.25
    assert opis(apart, thresholds, mean=apart[0]) == 0.5
    assert opis(apart[:1], thresholds) == 0
    # Squared gaps 0, 0.25, 0.25: areas 0.125 and 0.5 over a range of 3.
    joined = torch.tensor([[1.0, 1, 1], [1, 0, 0]], dtype=torch.float64)
    assert opis(joined, thresholds) == pytest.approx(0.625 / 3)


def test_epsilon_opis_by_hand() -> None:
    thresholds = torch.tensor([0.0, 1.0], dtype=torch.float64)
    means = torch.tensor([0.9, 0.7, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2]).double()
    curves = means[:, None].expand(11, 2)
    # ceil(1.1) = 2 classes are the worst: 0.1 and 0.2.
    assert epsilon_opis(curves, thresholds) == pytest.approx((7.9 / 9 - 0.15) ** 2)
    assert epsilon_opis(curves[:10], thresholds) == pytest.approx((7.9 / 9 - 0.1) ** 2)
    assert epsilon_opis(curves[:1], thresholds) == 0


def test_ties_for_the_worst_go_to_the_lower_number() -> None:
    thresholds = torch.tensor([0.0, 1.0], dtype=torch.float64)
    curves = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    wanted = oracle.epsilon_opis(curves.numpy(), thresholds.numpy())
    assert epsilon_opis(curves, thresholds) == pytest.approx(wanted)


@given(seed=st.integers(0, 10**6), classes=st.integers(1, 41))
def test_both_scores_are_those_of_the_oracle(seed: int, classes: int) -> None:
    curves, thresholds = _curves(seed, classes)
    got = opis(curves, thresholds)
    assert got == pytest.approx(oracle.opis(curves.numpy(), thresholds.numpy()), rel=1e-9)
    assert 0 <= got <= 0.25
    got = epsilon_opis(curves, thresholds)
    assert got == pytest.approx(oracle.epsilon_opis(curves.numpy(), thresholds.numpy()), rel=1e-9)


@pytest.mark.parametrize("classes", [2, 10, 20, 30, 70, 110, 1000])
def test_a_tenth_is_counted_exactly(classes: int) -> None:
    curves = torch.arange(classes).double()[:, None].expand(classes, 2) / classes
    thresholds = torch.tensor([0.0, 1.0], dtype=torch.float64)
    wanted = oracle.epsilon_opis(curves.numpy(), thresholds.numpy())
    assert epsilon_opis(curves, thresholds) == pytest.approx(wanted)


def test_some_class_is_always_left_to_compare_with() -> None:
    curves, thresholds = _curves(0, 2)
    assert math.isfinite(epsilon_opis(curves, thresholds, 0.9))


def test_a_range_of_one_point() -> None:
    curves = torch.tensor([[1.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    thresholds = torch.tensor([0.7, 0.7], dtype=torch.float64)
    assert opis(curves, thresholds) == 0.0625
    assert epsilon_opis(curves, thresholds) == 0.25


def test_without_a_class() -> None:
    none, thresholds = torch.zeros(0, 101).double(), torch.linspace(0, 1, 101).double()
    assert math.isnan(opis(none, thresholds))
    assert math.isnan(epsilon_opis(none, thresholds))


def test_identical_curves_score_zero() -> None:
    curves, thresholds = _curves(1, 1)
    same = curves.expand(7, -1)
    assert opis(same, thresholds) == pytest.approx(0, abs=1e-30)
    assert epsilon_opis(same, thresholds) == pytest.approx(0, abs=1e-30)


def test_mean_over_range_by_hand() -> None:
    values = torch.tensor([[0.0, 2.0, 2.0], [5.0, 5.0, 5.0]], dtype=torch.float64)
    thresholds = torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    assert mean_over_range(values, thresholds).tolist() == [7 / 4, 5]
    assert mean_over_range(values, torch.ones(3)).tolist() == [0, 5]

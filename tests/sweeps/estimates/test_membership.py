import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.estimates import Array, Posterior, front_chances
from sweeps.estimates.membership import non_dominated

LESS = np.array([1.0, 1.0])


def certain(points: Array, deviation: float) -> Posterior:
    count = len(points)
    return Posterior(
        mean=points,
        covariance=np.tile(deviation**2 * np.eye(2), (count, 1, 1)),
        raw=points,
        runs=np.full(count, 2),
        noise=np.eye(2),
        freedom=count,
    )


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 30))
def test_non_dominated_as_by_comparing_all(seed: int, count: int) -> None:
    costs = np.random.default_rng(seed).standard_normal((4, count, 2))
    for one, found in zip(costs, non_dominated(costs), strict=True):
        naive = [not any((other < point).all() for other in one) for point in one]
        assert found.tolist() == naive


def test_chances_where_all_is_known() -> None:
    points = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [2.0, 2.0], [4.0, 4.0]])
    assert front_chances(certain(points, 1e-6), LESS).tolist() == [1, 1, 1, 0, 0]


def test_directions_are_kept_apart() -> None:
    points = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [2.0, 2.0]])
    chances = front_chances(certain(points, 1e-6), np.array([-1.0, 1.0]))
    assert chances.tolist() == [0, 0, 1, 0]


def test_of_two_alike_each_is_beaten_by_the_other_in_a_quarter() -> None:
    chances = front_chances(certain(np.zeros((2, 2)), 1.0), LESS, draws=20_000)
    assert chances == pytest.approx([0.75, 0.75], abs=0.02)


def test_of_many_alike_none_is_likely() -> None:
    chances = front_chances(certain(np.zeros((200, 2)), 1.0), LESS)
    expected = sum(1 / k for k in range(1, 201))  # records of 200 independent draws
    assert chances.max() < 0.15
    # A few that had no chance in the first draws are left out.
    assert chances.sum() == pytest.approx(expected, rel=0.25)


def test_chances_are_the_same_each_time() -> None:
    posterior = certain(np.random.default_rng(0).standard_normal((20, 2)), 0.5)
    assert (front_chances(posterior, LESS) == front_chances(posterior, LESS)).all()
    assert (front_chances(posterior, LESS) != front_chances(posterior, LESS, seed=1)).any()

import numpy as np
import pytest

from sweeps.estimates import Array, Posterior
from sweeps.search.allocation import worth_of_one_more

LESS = np.array([1.0, 1.0])


def known(points: Array, runs: Array) -> Posterior:
    covariance = np.eye(2) / runs[:, None, None]
    counts = runs.astype(np.int64)
    return Posterior(
        mean=points, covariance=covariance, raw=points, runs=counts, noise=np.eye(2), freedom=9
    )


def test_a_run_goes_where_it_is_open_who_is_on_the_front() -> None:
    points = np.array([[-9.0, 9.0], [0.0, 0.0], [0.3, 0.3], [9.0, -9.0], [20.0, 20.0]])
    worth = worth_of_one_more(known(points, np.ones(5)), LESS, seed=0)
    assert worth[[0, 3, 4]] == pytest.approx(0, abs=1e-9)
    assert (worth[[1, 2]] > 0.1).all()


def test_a_further_run_tells_less() -> None:
    points = np.zeros((2, 2))
    once = worth_of_one_more(known(points, np.array([1.0, 1.0])), LESS, seed=0)
    twice = worth_of_one_more(known(points, np.array([4.0, 4.0])), LESS, seed=0)
    assert (twice < 0.7 * once).all()
    some = worth_of_one_more(known(points, np.array([8.0, 1.0])), LESS, seed=0)
    assert some.argmax() == 1


def test_where_all_is_settled_nothing_is_worth_a_run() -> None:
    points = np.array([[0.0, 0.0], [50.0, 50.0]])
    assert worth_of_one_more(known(points, np.ones(2)), LESS, seed=0).tolist() == [0, 0]

import numpy as np

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
    assert (worth[[1, 2]] > 10 * worth[[0, 3, 4]].max()).all()


def test_a_further_run_tells_less() -> None:
    points = np.zeros((2, 2))
    once = worth_of_one_more(known(points, np.array([1.0, 1.0])), LESS, seed=0)
    often = worth_of_one_more(known(points, np.array([9.0, 9.0])), LESS, seed=0)
    assert (often < 0.5 * once).all()
    some = worth_of_one_more(known(points, np.array([9.0, 1.0])), LESS, seed=0)
    assert some.argmax() == 1


def test_a_sure_member_is_worth_a_run_where_others_hang_on_it() -> None:
    # The first beats nobody for sure; whether the second is a member hangs on where the first is.
    points = np.array([[0.0, 0.0], [0.5, 0.5]])
    runs = np.array([1.0, 400.0])
    assert worth_of_one_more(known(points, runs), LESS, seed=0).argmax() == 0


def test_where_all_is_settled_nothing_is_worth_a_run() -> None:
    points = np.array([[0.0, 0.0], [50.0, 50.0]])
    assert worth_of_one_more(known(points, np.ones(2)), LESS, seed=0).tolist() == [0, 0]

"""Allocation of replicates: which configuration to train once more, under another seed."""

from typing import Final

import numpy as np

from sweeps.estimates import Array, Posterior, front_draws

__all__ = ["worth_of_one_more"]

_DRAWS: Final = 256


def worth_of_one_more(posterior: Posterior, signs: Array, *, seed: int) -> Array:
    """Return what one more run of each configuration would tell of who is on the front, C.

    Whether a configuration is a member depends on its own true values and on those of the ones
    that may beat it. A linear fit over draws says how strongly; the worth is the variance of all
    memberships that one run explains in it, each weighed by its chance squared: a false member is
    worse than a true one that is missed. Close in aim to SCORE (Rojas Gonzalez et al.) and to
    arXiv 2503.21495; ``python -m benchmarks.front`` holds it against equal allocation.

    Args:
        posterior: Of C configurations, runs that have not ended counted in (`Posterior.expecting`).
        signs: 2, +1 where less is better, -1 where more is.
        seed: Of the draws.
    """
    # Its far draws would sway the fit.
    drawn = front_draws(posterior, signs, draws=_DRAWS, seed=seed, noise_is_known=True)
    near = posterior.of(drawn.near)
    chances = drawn.member.mean(0)
    apart = (drawn.points - near.mean).reshape(_DRAWS, -1)
    together = (apart.T @ (drawn.member - chances) / _DRAWS).reshape(len(chances), 2, -1)
    slopes = np.linalg.solve(near.covariance, together * chances)
    told = near.told_by(np.ones(len(chances), dtype=np.int64))
    worth = np.zeros(len(posterior.mean))
    worth[drawn.near] = (slopes * (told @ slopes)).sum((1, 2))
    return worth

"""Membership of the front: the chance that no other configuration is truly better in both."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sweeps.estimates.posterior import Array, Posterior

__all__ = ["front_chances", "non_dominated"]

# At first few draws, which tell who has any chance; then as many more of these alone.
_SCOUTS: Final = 64
_DRAWS: Final = 1000


def front_chances(
    posterior: Posterior, signs: Array, *, draws: int = _DRAWS, seed: int = 0
) -> Array:
    """Return P(non-dominated) of each configuration, C, from draws of their true values.

    A configuration that is on the front in none of 64 draws of all of them counts as having no
    chance.

    Args:
        posterior: Of C configurations.
        signs: 2, +1 where less is better, -1 where more is.
        draws: Of those that have a chance.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    chances: Array = non_dominated(signs * posterior.draws(_SCOUTS, generator)).mean(0)
    near = np.flatnonzero(chances)
    drawn = posterior.of(near).draws(draws, generator)
    chances[near] = non_dominated(signs * drawn).mean(0)
    return chances


def non_dominated(costs: Array) -> NDArray[np.bool_]:
    """Return which of C points no other beats, ``... x C``.

    Args:
        costs: ``... x C x 2``, both values to be minimised. Of points that agree in the first
            value only one is sure to be told right; draws of a continuous distribution do not.
    """
    order = np.argsort(costs[..., 0], axis=-1)
    second = np.take_along_axis(costs[..., 1], order, -1)
    least = np.minimum.accumulate(second, axis=-1)
    stands = np.ones(second.shape, dtype=np.bool_)
    stands[..., 1:] = second[..., 1:] < least[..., :-1]
    back = np.empty_like(stands)
    np.put_along_axis(back, order, stands, -1)
    return back

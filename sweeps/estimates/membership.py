"""Membership of the front: the chance that no other configuration is truly better in both."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sweeps.estimates.posterior import Array, Posterior

__all__ = ["FrontDraws", "front_chances", "front_draws", "non_dominated"]

# At first few draws, which tell who has any chance; then as many more of these alone.
_SCOUTS: Final = 64
_DRAWS: Final = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class FrontDraws:
    """Draws of true values, and who is on the front in each.

    Attributes:
        near: N, the configurations that were on the front in any of the first few draws; the others
            are taken to have no chance.
        points: K x N x 2, what was drawn of them.
        member: K x N, whether no other of them beats it.
    """

    near: NDArray[np.int64]
    points: Array
    member: NDArray[np.bool_]


def front_draws(
    posterior: Posterior, signs: Array, *, draws: int, seed: int, noise_is_known: bool = False
) -> FrontDraws:
    """Draw fronts from what is known of C configurations.

    Args:
        posterior: Of the configurations.
        signs: 2, +1 where less is better, -1 where more is.
        draws: K.
        seed: Of the draws.
        noise_is_known: As `Posterior.draws`.
    """
    generator = np.random.default_rng(seed)
    known = noise_is_known
    scouts = non_dominated(signs * posterior.draws(_SCOUTS, generator, noise_is_known=known))
    near = np.flatnonzero(scouts.any(0))
    points = posterior.of(near).draws(draws, generator, noise_is_known=known)
    return FrontDraws(near=near, points=points, member=non_dominated(signs * points))


def front_chances(
    posterior: Posterior, signs: Array, *, draws: int = _DRAWS, seed: int = 0
) -> Array:
    """Return P(non-dominated) of each configuration, C; the arguments are as in `front_draws`."""
    drawn = front_draws(posterior, signs, draws=draws, seed=seed)
    chances = np.zeros(len(posterior.mean))
    chances[drawn.near] = drawn.member.mean(0)
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

"""Posterior of configurations' true values: normal, and shrunk towards what they have in common.

A configuration's value is its mean over seeds. Seeds add noise of one 2 x 2 covariance, which is
pooled over all configurations with two runs or more. The prior over configurations comes out of the
data themselves (empirical Bayes: Efron and Morris, JASA 1973), with tails of a Student's t: a few
configurations that fail to learn must not make the rest look far apart.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["Array", "Posterior", "posterior_of"]

Array = NDArray[np.float64]

_TAILS: Final = 8.0
_ITERATIONS: Final = 20
# So many runs' worth of belief that the two objectives' noise is uncorrelated.
_UNCORRELATED: Final = 4
_LEAST: Final = 1e-9
_TOO_FEW: Final = 3
# Of the noise, in a draw that takes it for larger: beyond that a logarithm is no number any more.
_LEAST_SHOWN: Final = 1e-3
_SHARES: Final = (np.arange(20) + 0.5) / 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """Joint normal posterior of the true values of C configurations, independent of each other.

    Attributes:
        mean: C x 2, shrunk.
        covariance: C x 2 x 2.
        raw: C x 2, the plain means over runs.
        runs: C, the number of each configuration's runs.
        noise: 2 x 2, the covariance that a seed adds.
        freedom: Degrees of freedom that the noise was estimated with.
    """

    mean: Array
    covariance: Array
    raw: Array
    runs: NDArray[np.int64]
    noise: Array
    freedom: int

    @property
    def deviation(self) -> Array:
        """C x 2, the standard deviations."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return the ends of central intervals, C x 2 each, wider where few runs showed noise."""
        half = stdtrit(self.freedom, 0.5 + level / 2) * self.deviation
        return self.mean - half, self.mean + half

    def of(self, places: NDArray[np.int64]) -> "Posterior":
        """Return the posterior of some of the configurations."""
        return replace(
            self,
            mean=self.mean[places],
            covariance=self.covariance[places],
            raw=self.raw[places],
            runs=self.runs[places],
        )

    def draws(
        self, count: int, generator: np.random.Generator, *, noise_is_known: bool = False
    ) -> Array:
        """Draw true values of all configurations, ``count`` x C x 2.

        Where few runs showed the noise, it may be larger, in all configurations alike: so the draws
        are of Student's t, unless the noise is taken to be known.
        """
        root = np.linalg.cholesky(self.covariance)
        normal = generator.standard_normal((len(self.mean), count, 2))
        if not noise_is_known:
            shown = generator.chisquare(self.freedom, count) / self.freedom
            normal /= np.sqrt(np.maximum(shown, _LEAST_SHOWN))[:, None]
        return self.mean + np.swapaxes(normal @ np.swapaxes(root, 1, 2), 0, 1)

    def told_by(self, runs: NDArray[np.int64]) -> Array:
        """Return the part of each covariance that so many further runs take away, C x 2 x 2.

        Args:
            runs: C, the number of further runs of each configuration; none where it is 0.
        """
        noise = self.noise / np.maximum(runs, 1)[:, None, None]
        told = self.covariance @ np.linalg.solve(self.covariance + noise, self.covariance)
        return np.where((runs > 0)[:, None, None], told, 0.0)

    def expecting(self, runs: NDArray[np.int64]) -> "Posterior":
        """Return the posterior as sure as it will be after so many further runs, C."""
        covariance = self.covariance - self.told_by(runs)
        return replace(self, covariance=covariance, runs=self.runs + runs)


def posterior_of(values: Array, owners: NDArray[np.int64]) -> Posterior | None:
    """Estimate the true values of C configurations from those that R runs measured.

    Args:
        values: R x 2.
        owners: R, the configuration of each run, counted from 0; none is without a run.

    Returns:
        The posterior; None where no configuration has two runs, so that noise is unknown.
    """
    runs = np.bincount(owners)
    freedom = int((runs - 1).sum())
    if freedom == 0:
        return None
    raw = np.stack([np.bincount(owners, column) for column in values.T], axis=1) / runs[:, None]
    noise = _noise(values - raw[owners], freedom, spread=raw.var(0))
    root = np.linalg.cholesky(noise)
    mean, covariance = _shrunk(np.linalg.solve(root, raw.T).T, runs)
    return Posterior(
        mean=mean @ root.T,
        covariance=root @ covariance @ root.T,
        raw=raw,
        runs=runs,
        noise=noise,
        freedom=freedom,
    )


def _noise(around: Array, freedom: int, *, spread: Array) -> Array:
    """Return the covariance of runs around their configurations' means."""
    noise: Array = around.T @ around / freedom
    noise[0, 1] = noise[1, 0] = noise[0, 1] * freedom / (freedom + _UNCORRELATED)
    # Runs that agree exactly leave next to no noise, but a matrix that can be inverted.
    noise += np.diag(_LEAST * np.maximum(spread, _LEAST))
    return noise


def _shrunk(points: Array, runs: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return posterior means and covariances of C points whose noise is the identity over ``runs``.

    In the axes of the points' scatter both objectives can be judged by themselves. Up to three
    points tell nothing of a prior; they are left as they are.
    """
    noise = 1.0 / runs
    if len(points) <= _TOO_FEW:
        return points, noise[:, None, None] * np.eye(2)
    centre, scatter, trust = _scatter(points)
    sizes, axes = np.linalg.eigh(scatter)
    apart = (points - centre) @ axes
    moved, left = zip(
        *(_shrunk_axis(apart[:, k], noise, sizes[k] / trust) for k in range(2)), strict=True
    )
    mean = centre + np.stack(moved, axis=1) @ axes.T
    return mean, np.einsum("ij,cj,kj->cik", axes, np.stack(left, axis=1), axes)


def _scatter(points: Array) -> tuple[Array, Array, Array]:
    """Return centre and scatter of points by a Student's t, and the trust in each point."""
    centre, scatter = np.median(points, axis=0), np.diag(points.var(0))
    for _ in range(_ITERATIONS):
        apart = points - centre
        far = (apart * np.linalg.solve(scatter + _LEAST * np.eye(2), apart.T).T).sum(1)
        trust = (_TAILS + 2) / (_TAILS + far)
        centre = trust @ points / trust.sum()
        apart = points - centre
        scatter = (apart.T * trust) @ apart / trust.sum()
    return centre, scatter + _LEAST * np.eye(2), trust


def _shrunk_axis(apart: Array, noise: Array, spread: Array) -> tuple[Array, Array]:
    """Return posterior means and variances along one axis, C each.

    What share of the spread is real is not known. Each of S shares is tried, with the centre that
    fits it, and believed by its likelihood.
    """
    prior = _SHARES[:, None] * spread
    total = prior + noise
    error = 1 / (1 / total).sum(1, keepdims=True)
    centre = error * (apart / total).sum(1, keepdims=True)
    off = apart - centre
    fit = np.log(error[:, 0]) - (np.log(total) + off**2 / total).sum(1)
    belief = np.exp((fit - fit.max()) / 2)
    belief /= belief.sum()
    kept = prior / total
    moved = centre + kept * off
    left = kept * noise + (1 - kept) ** 2 * error
    mean = belief @ moved
    return mean, belief @ (left + (moved - mean) ** 2)

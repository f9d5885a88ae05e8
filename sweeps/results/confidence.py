"""Confidence in finished trials: estimates of their values, and chances to be on the front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from objectives import Objective, hypervolume
from sweeps.store import MeasurementRecord

if TYPE_CHECKING:
    from sweeps.estimates import Array, Posterior

__all__ = ["Band", "Confidence", "confidence_in"]

_DRAWS: Final = 400
# Of areas, which take longer.
_AREAS: Final = 200
# Places along the first objective, and the shares of draws between which a band lies.
_PLACES: Final = 100
_BAND: Final = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True)
class Band:
    """Band of what the trials truly attain: a second objective beside a first one or a better one.

    At each value of the first objective by itself it holds the best second one with 95 %.

    Attributes:
        first: G values of the first objective, the worst first.
        best: Of the second one for each, what the best 2.5 % of what the front may be attain.
        worst: Likewise what 97.5 % attain; infinite, on the worse side, where fewer reach so far.
    """

    first: tuple[float, ...]
    best: tuple[float, ...]
    worst: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Estimates of N trials from their replicates, of their true values: the means over all seeds.

    Attributes:
        values: For each trial the estimate of each objective, by name: the mean over its runs,
            shrunk towards the other trials' by as much as the noise of seeds explains.
        intervals: For each trial the ends of each objective's 95 % interval.
        searched: For each trial the estimate from the search's runs alone.
        chances: For each trial the chance that no other is truly better in both objectives, by the
            search's runs alone: what reports on a choice takes no part in it.
        hypervolume: Area that the true values dominate, on average over what they may be.
        band: What they attain.
    """

    values: tuple[Mapping[str, float], ...]
    intervals: tuple[Mapping[str, tuple[float, float]], ...]
    searched: tuple[Mapping[str, float], ...]
    chances: tuple[float, ...]
    hypervolume: float
    band: Band


def confidence_in(
    searched: Sequence[Sequence[MeasurementRecord]],
    reported: Sequence[Sequence[MeasurementRecord]],
    objectives: tuple[Objective, Objective],
) -> Confidence | None:
    """Estimate trials from what each of their runs measured at the last epoch.

    Args:
        searched: For each trial what the search's runs measured, one for each seed, each with both
            objectives.
        reported: Likewise what the runs measured that report on it; there may be none.
        objectives: The two.

    Returns:
        The estimates; None where no trial has two runs, so that nothing tells how noisy they are.
    """
    if all(len(held) < 2 for held in searched):
        return None
    # Imported here: a sweep of single runs is looked at without them.
    import numpy as np

    from sweeps.estimates import front_chances, unscaled

    def by_name(points: "Array", noise: "Array") -> list[dict[str, float]]:
        shown = unscaled(points, objectives, noise=noise).tolist()
        return [{o.name: v for o, v in zip(objectives, row, strict=True)} for row in shown]

    first = _posterior(searched, objectives)
    both = [(*one, *other) for one, other in zip(searched, reported, strict=True)]
    posterior = _posterior(both, objectives) if any(reported) else first
    low, high = (by_name(end, posterior.noise) for end in posterior.interval())
    chances = front_chances(first, np.array([each.sign for each in objectives]))
    near = np.flatnonzero(chances)

    def drawn(count: int, *, noise_is_known: bool) -> "Array":
        generator = np.random.default_rng(0)
        points = posterior.of(near).draws(count, generator, noise_is_known=noise_is_known)
        return unscaled(points, objectives, noise=posterior.noise)

    # The mean of areas would be swayed by far draws.
    surer = drawn(_AREAS, noise_is_known=True)
    areas = [hypervolume(each, objectives) for each in surer.tolist()]
    return Confidence(
        values=tuple(by_name(posterior.mean, posterior.noise)),
        intervals=tuple(
            {name: (one[name], other[name]) for name in one}
            for one, other in zip(low, high, strict=True)
        ),
        searched=tuple(by_name(first.mean, first.noise)),
        chances=tuple(chances.tolist()),
        hypervolume=float(np.mean(areas)),
        band=_band(drawn(_DRAWS, noise_is_known=False), objectives),
    )


def _posterior(
    held: Sequence[Sequence[MeasurementRecord]], objectives: Sequence[Objective]
) -> "Posterior":
    import numpy as np

    from sweeps.estimates import posterior_of, scaled

    values = np.array([[m.metrics[o.name] for o in objectives] for runs in held for m in runs])
    owners = np.repeat(np.arange(len(held)), [len(runs) for runs in held])
    posterior = posterior_of(scaled(values, objectives), owners)
    assert posterior is not None
    return posterior


def _band(points: "Array", objectives: Sequence[Objective]) -> Band:
    """Return the band of fronts drawn, K x N x 2."""
    import numpy as np

    from sweeps.estimates import attained

    signs = np.array([each.sign for each in objectives])
    # Where values lie close together, so do the places.
    first = signs[0] * np.quantile(signs[0] * points[..., 0], np.linspace(1, 0, _PLACES))
    best, worst = attained(points, signs, first, _BAND).tolist()
    return Band(first=tuple(first.tolist()), best=tuple(best), worst=tuple(worst))

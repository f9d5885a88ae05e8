"""Confidence in finished trials: estimates of their values, and chances to be on the front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from objectives import Objective, hypervolume
from sweeps.store import MeasurementRecord

if TYPE_CHECKING:
    from sweeps.estimates import Array

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
        chances: For each trial the chance that no other is truly better in both objectives.
        hypervolume: Area that the true values dominate, on average over what they may be.
        band: What they attain.
    """

    values: tuple[Mapping[str, float], ...]
    intervals: tuple[Mapping[str, tuple[float, float]], ...]
    chances: tuple[float, ...]
    hypervolume: float
    band: Band


def confidence_in(
    final: Sequence[Sequence[MeasurementRecord]], objectives: tuple[Objective, Objective]
) -> Confidence | None:
    """Estimate trials from what each of their runs measured at the last epoch.

    Args:
        final: For each trial its measurements, one for each seed, each with both objectives.
        objectives: The two.

    Returns:
        The estimates; None where no trial has two runs, so that nothing tells how noisy they are.
    """
    if all(len(held) < 2 for held in final):
        return None
    # Imported here: a sweep of single runs is looked at without them.
    import numpy as np

    from sweeps.estimates import front_chances, posterior_of, scaled, unscaled

    names = [objective.name for objective in objectives]
    values = np.array([[m.metrics[name] for name in names] for held in final for m in held])
    owners = np.repeat(np.arange(len(final)), [len(held) for held in final])
    posterior = posterior_of(scaled(values, objectives), owners)
    assert posterior is not None

    def by_name(points: "Array") -> list[dict[str, float]]:
        shown = unscaled(points, objectives, noise=posterior.noise)
        return [dict(zip(names, row, strict=True)) for row in shown.tolist()]

    low, high = map(by_name, posterior.interval())
    chances = front_chances(posterior, np.array([each.sign for each in objectives]))
    near = np.flatnonzero(chances)

    def drawn(count: int, *, noise_is_known: bool) -> "Array":
        generator = np.random.default_rng(0)
        points = posterior.of(near).draws(count, generator, noise_is_known=noise_is_known)
        return unscaled(points, objectives, noise=posterior.noise)

    # The mean of areas would be swayed by far draws.
    surer = drawn(_AREAS, noise_is_known=True)
    areas = [hypervolume(each, objectives) for each in surer.tolist()]
    return Confidence(
        values=tuple(by_name(posterior.mean)),
        intervals=tuple(
            {name: (one[name], other[name]) for name in names}
            for one, other in zip(low, high, strict=True)
        ),
        chances=tuple(chances.tolist()),
        hypervolume=float(np.mean(areas)),
        band=_band(drawn(_DRAWS, noise_is_known=False), objectives),
    )


def _band(points: "Array", objectives: Sequence[Objective]) -> Band:
    """Return the band of fronts drawn, K x N x 2."""
    import numpy as np

    from sweeps.estimates import attained

    signs = np.array([each.sign for each in objectives])
    # Where values lie close together, so do the places.
    first = signs[0] * np.quantile(signs[0] * points[..., 0], np.linspace(1, 0, _PLACES))
    best, worst = attained(points, signs, first, _BAND).tolist()
    return Band(first=tuple(first.tolist()), best=tuple(best), worst=tuple(worst))

"""Estimates: what is known of each configuration's true values, and whether it is on the front."""

from sweeps.estimates.attainment import attained
from sweeps.estimates.differences import Difference, paired_differences
from sweeps.estimates.membership import front_chances, front_draws, non_dominated
from sweeps.estimates.posterior import Array, Posterior, posterior_of
from sweeps.estimates.scales import scaled, unscaled

__all__ = [
    "Array",
    "Difference",
    "Posterior",
    "attained",
    "front_chances",
    "front_draws",
    "non_dominated",
    "paired_differences",
    "posterior_of",
    "scaled",
    "unscaled",
]

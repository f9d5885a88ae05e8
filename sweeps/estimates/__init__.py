"""Estimates: what is known of each configuration's true values, and whether it is on the front."""

from sweeps.estimates.membership import front_chances, front_draws
from sweeps.estimates.posterior import Array, Posterior, posterior_of
from sweeps.estimates.scales import scaled, unscaled

__all__ = [
    "Array",
    "Posterior",
    "front_chances",
    "front_draws",
    "posterior_of",
    "scaled",
    "unscaled",
]

"""Samplers of a sweep, by the names that a spec has for them."""

import numpy as np
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

__all__ = ["make_sampler"]


def make_sampler(name: str, *, seed: int, number: int = 0) -> BaseSampler:
    """Return the sampler that a spec names, for one suggestion.

    Args:
        name: ``tpe``, ``nsgaii`` or ``random``.
        seed: Of the sweep.
        number: Of the suggestion; each has its own part of the seed.

    Raises:
        ValueError: There is none of that name.
    """
    [seed] = np.random.SeedSequence([seed, number]).generate_state(1).tolist()
    if name == "tpe":
        # constant_liar: what is still running counts as tried, so that parallel trials spread.
        return TPESampler(seed=seed, constant_liar=True)
    if name == "nsgaii":
        return NSGAIISampler(seed=seed)
    if name == "random":
        return RandomSampler(seed=seed)
    raise ValueError(f"sampler {name!r} is not one of tpe, nsgaii, random")

"""Samplers of a sweep, by the names that a spec has for them."""

from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

__all__ = ["make_sampler"]


def make_sampler(name: str, *, seed: int) -> BaseSampler:
    """Return the sampler that a spec names.

    Raises:
        ValueError: It is not one of ``tpe``, ``nsgaii``, ``random``.
    """
    if name == "tpe":
        # constant_liar: what is still running counts as tried, so that parallel trials spread.
        return TPESampler(seed=seed, constant_liar=True)
    if name == "nsgaii":
        return NSGAIISampler(seed=seed)
    if name == "random":
        return RandomSampler(seed=seed)
    raise ValueError(f"sampler {name!r} is not one of tpe, nsgaii, random")

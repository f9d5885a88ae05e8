"""Search: what is tried next, by ask and tell over Optuna, without Ray."""

from sweeps.search.samplers import make_sampler
from sweeps.search.study import Study, Suggestion

__all__ = ["Study", "Suggestion", "make_sampler"]

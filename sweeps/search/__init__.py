"""Search: what is tried next, by ask and tell over Optuna, and what a sweep would try; no Ray."""

from sweeps.search.confirmations import Confirmations
from sweeps.search.plan import SweepPlan, plan_sweep
from sweeps.search.replication import PastRun, ReplicatedStudy, study_of
from sweeps.search.samplers import make_sampler
from sweeps.search.study import Study, Suggestion

__all__ = [
    "Confirmations",
    "PastRun",
    "ReplicatedStudy",
    "Study",
    "Suggestion",
    "SweepPlan",
    "make_sampler",
    "plan_sweep",
    "study_of",
]

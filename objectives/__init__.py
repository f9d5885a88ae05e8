"""What a set of embeddings, and a set of trials, is worth."""

from objectives.bootstrap import bootstrap_intervals
from objectives.consistency import epsilon_opis, opis, utility
from objectives.errors import InputError
from objectives.objective import (
    DEFAULT_OBJECTIVES,
    OBJECTIVES,
    Objective,
    get_objective,
    objective_pair,
)
from objectives.pareto import front_ranks, hypervolume, hypervolume_contributions, knee
from objectives.score import Calibration, Score, distance_at_far, score_embeddings

__all__ = [
    "DEFAULT_OBJECTIVES",
    "OBJECTIVES",
    "Calibration",
    "InputError",
    "Objective",
    "Score",
    "bootstrap_intervals",
    "distance_at_far",
    "epsilon_opis",
    "front_ranks",
    "get_objective",
    "hypervolume",
    "hypervolume_contributions",
    "knee",
    "objective_pair",
    "opis",
    "score_embeddings",
    "utility",
]

from .bootstrap import bootstrap_intervals
from .calibration import Calibration
from .consistency import epsilon_opis, opis, utility
from .errors import InputError
from .noise_floor import NoiseFloor
from .objective import (
    DEFAULT_OBJECTIVES,
    OBJECTIVES,
    Objective,
    get_objective,
    objective_pair,
)
from .pareto import front_ranks, hypervolume, hypervolume_contributions, knee
from .progress import Progress, ignore_progress
from .score import Score, distance_at_far, score_embeddings

__all__ = [
    "DEFAULT_OBJECTIVES",
    "OBJECTIVES",
    "Calibration",
    "InputError",
    "NoiseFloor",
    "Objective",
    "Progress",
    "Score",
    "bootstrap_intervals",
    "distance_at_far",
    "epsilon_opis",
    "front_ranks",
    "get_objective",
    "hypervolume",
    "hypervolume_contributions",
    "ignore_progress",
    "knee",
    "objective_pair",
    "opis",
    "score_embeddings",
    "utility",
]

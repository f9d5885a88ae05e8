from .documents import status_document, sweep_document
from .final_values import SPLIT, final_measurements, finished_trials
from .front_files import front_document, write_front
from .hypervolumes import hypervolume_curve
from .ranking import RankedTrial, RankedTrials, rank_trials, ranked_trials
from .tuned_margins import KNEE, export_margins, pick_trial, picks, write_margins
from .verdict import accuracy_of, certainty, undertrained

__all__ = [
    "KNEE",
    "SPLIT",
    "RankedTrial",
    "RankedTrials",
    "accuracy_of",
    "certainty",
    "export_margins",
    "final_measurements",
    "finished_trials",
    "front_document",
    "hypervolume_curve",
    "pick_trial",
    "picks",
    "rank_trials",
    "ranked_trials",
    "status_document",
    "sweep_document",
    "undertrained",
    "write_front",
    "write_margins",
]

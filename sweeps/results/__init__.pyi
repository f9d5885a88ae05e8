from .confirmed_fronts import ConfirmedFronts, fronts_of_confirmed
from .documents import failures_document, status_document, sweep_document
from .final_values import SPLIT, final_measurements, finished_trials
from .front_files import front_document, write_front
from .hypervolumes import hypervolume_curve
from .pairs import Pair, pairs_of
from .picking import KNEE, advice, is_judged, pick_trial, picked_first, picks, unproven, verdict_on
from .ranking import RankedTrial, RankedTrials, rank_trials, ranked_trials
from .tuned_margins import export_margins, margins_of, write_margins
from .verdict import accuracy_of, certainty, undertrained

__all__ = [
    "KNEE",
    "SPLIT",
    "ConfirmedFronts",
    "Pair",
    "RankedTrial",
    "RankedTrials",
    "accuracy_of",
    "advice",
    "certainty",
    "export_margins",
    "failures_document",
    "final_measurements",
    "finished_trials",
    "front_document",
    "fronts_of_confirmed",
    "hypervolume_curve",
    "is_judged",
    "margins_of",
    "pairs_of",
    "pick_trial",
    "picked_first",
    "picks",
    "rank_trials",
    "ranked_trials",
    "status_document",
    "sweep_document",
    "undertrained",
    "unproven",
    "verdict_on",
    "write_front",
    "write_margins",
]

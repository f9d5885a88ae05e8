from .embeddings import per_class_csv, read_embeddings, utility_plot
from .execution import FinishedSweep, RunningSweep, SweepCallback, run_sweep
from .home import Home
from .results import (
    RankedTrial,
    RankedTrials,
    export_margins,
    ranked_trials,
    write_front,
    write_margins,
)
from .spec import ControlRule, Data, Run, SpaceRules, SweepSpec, Workload, load_spec
from .store import Store, SweepState, TrialState, open_store

__all__ = [
    "ControlRule",
    "Data",
    "FinishedSweep",
    "Home",
    "RankedTrial",
    "RankedTrials",
    "Run",
    "RunningSweep",
    "SpaceRules",
    "Store",
    "SweepCallback",
    "SweepSpec",
    "SweepState",
    "TrialState",
    "Workload",
    "export_margins",
    "load_spec",
    "open_store",
    "per_class_csv",
    "ranked_trials",
    "read_embeddings",
    "run_sweep",
    "utility_plot",
    "write_front",
    "write_margins",
]

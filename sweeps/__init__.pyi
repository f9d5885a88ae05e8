from .embeddings import read_embeddings
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
from .store import Store, open_store

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
    "Workload",
    "export_margins",
    "load_spec",
    "open_store",
    "ranked_trials",
    "read_embeddings",
    "run_sweep",
    "write_front",
    "write_margins",
]

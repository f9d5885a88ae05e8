from .callback import RunningSweep, SweepCallback
from .confirm import ConfirmedSweep, confirm_sweep
from .mirrors import replay_sweep
from .run import FinishedSweep, resume_sweep, run_sweep

__all__ = [
    "ConfirmedSweep",
    "FinishedSweep",
    "RunningSweep",
    "SweepCallback",
    "confirm_sweep",
    "replay_sweep",
    "resume_sweep",
    "run_sweep",
]

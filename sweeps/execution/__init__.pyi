from .callback import RunningSweep, SweepCallback
from .confirm import ConfirmedSweep, confirm_sweep
from .run import FinishedSweep, run_sweep

__all__ = [
    "ConfirmedSweep",
    "FinishedSweep",
    "RunningSweep",
    "SweepCallback",
    "confirm_sweep",
    "run_sweep",
]

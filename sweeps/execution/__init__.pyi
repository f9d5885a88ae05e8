from .callback import RunningSweep, SweepCallback
from .run import FinishedSweep, run_sweep

__all__ = ["FinishedSweep", "RunningSweep", "SweepCallback", "run_sweep"]

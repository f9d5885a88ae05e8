"""Execution: sweeps carried out by Ray Tune, and recorded as they go.

Slow to import, for Ray: import it where it is needed.
"""

from sweeps.execution.callback import RunningSweep, SweepCallback
from sweeps.execution.run import FinishedSweep, run_sweep

__all__ = ["FinishedSweep", "RunningSweep", "SweepCallback", "run_sweep"]

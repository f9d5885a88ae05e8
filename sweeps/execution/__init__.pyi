from .callback import RunningSweep, SweepCallback
from .confirm import ConfirmedSweep, confirm_sweep
from .management import archive_sweep, delete_sweep, rename_sweep
from .mirrors import replay_sweep
from .run import FinishedSweep, resume_sweep, run_sweep

__all__ = [
    "ConfirmedSweep",
    "FinishedSweep",
    "RunningSweep",
    "SweepCallback",
    "archive_sweep",
    "confirm_sweep",
    "delete_sweep",
    "rename_sweep",
    "replay_sweep",
    "resume_sweep",
    "run_sweep",
]

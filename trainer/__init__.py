"""One trial: data, model, losses, training and measuring."""

from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.config import TrialConfig
from trainer.data import DataConfig, SplitConfig, SplitDataset, load_data
from trainer.embedder import Embedder, check_backbone
from trainer.engine import Trial, run_trial
from trainer.errors import TrialFailed
from trainer.margins import TunedMargins, load_tuned_margins, read_tuned_margins
from trainer.measurement import Measurement

__all__ = [
    "DataConfig",
    "Embedder",
    "Measurement",
    "SplitConfig",
    "SplitDataset",
    "Trial",
    "TrialConfig",
    "TrialFailed",
    "TunedMargins",
    "check_backbone",
    "load_checkpoint",
    "load_data",
    "load_tuned_margins",
    "read_tuned_margins",
    "run_trial",
    "save_checkpoint",
]

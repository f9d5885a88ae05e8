from .allocator import keep_freed_memory
from .atomic import written_whole
from .backbone import check_backbone
from .baselines import score_raw_pixels, score_untouched_trunk
from .checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from .config import ORDERED_FIELDS, TCM_FIELDS, TCM_WEIGHTS, TrialConfig
from .confirmation import confirmation_run
from .data import (
    VALIDATION_SHARE,
    DataConfig,
    Split,
    SplitConfig,
    SplitDataset,
    load_data,
    outline_data,
    stand_in_data,
)
from .device_memory import CONTEXT_BYTES, bound_memory, is_out_of_memory, release_memory
from .embedder import Embedder, build_embedder
from .embedding_loss import EmbeddingLoss, build_loss
from .engine import TrainingRun, train
from .errors import OutOfMemory, TrialFailed
from .kept_weights import KeptWeights, load_embedder, read_kept_weights
from .measurement import Measurement
from .memory_probe import predict_memory
from .probe import TrialProbe, probe_trial
from .recipes import RECIPES, Recipe, fit_batch, kind_of
from .references import import_object
from .strict_model import StrictModel
from .trial_run import TrialRun
from .tuned_margins import (
    Comparison,
    Difference,
    OperatingPoint,
    TunedData,
    TunedMargins,
    load_tuned_margins,
    read_tuned_margins,
)
from .validation import describe_fault, input_error, one_sentence
from .yaml_files import load_model, read_yaml

__all__ = [
    "CONTEXT_BYTES",
    "ORDERED_FIELDS",
    "RECIPES",
    "TCM_FIELDS",
    "TCM_WEIGHTS",
    "VALIDATION_SHARE",
    "Comparison",
    "DataConfig",
    "Difference",
    "Embedder",
    "EmbeddingLoss",
    "KeptWeights",
    "Measurement",
    "OperatingPoint",
    "OutOfMemory",
    "Recipe",
    "Split",
    "SplitConfig",
    "SplitDataset",
    "StrictModel",
    "TrainingRun",
    "TrialConfig",
    "TrialFailed",
    "TrialProbe",
    "TrialRun",
    "TunedData",
    "TunedMargins",
    "bound_memory",
    "build_embedder",
    "build_loss",
    "check_backbone",
    "confirmation_run",
    "describe_fault",
    "fit_batch",
    "import_object",
    "input_error",
    "is_out_of_memory",
    "keep_freed_memory",
    "kind_of",
    "load_checkpoint",
    "load_data",
    "load_embedder",
    "load_model",
    "load_state",
    "load_tuned_margins",
    "one_sentence",
    "outline_data",
    "predict_memory",
    "probe_trial",
    "read_kept_weights",
    "read_tuned_margins",
    "read_yaml",
    "release_memory",
    "save_checkpoint",
    "save_state",
    "score_raw_pixels",
    "score_untouched_trunk",
    "stand_in_data",
    "train",
    "written_whole",
]

from .config import VALIDATION_SHARE, DataConfig, SplitConfig
from .dataset import Dataset, Images, SplitDataset, TensorImages
from .decoded import StoredImages
from .load import load_data, outline_data
from .outline import stand_in_data
from .split import split_classes
from .split_names import SPLITS, Split

__all__ = [
    "SPLITS",
    "VALIDATION_SHARE",
    "DataConfig",
    "Dataset",
    "Images",
    "Split",
    "SplitConfig",
    "SplitDataset",
    "StoredImages",
    "TensorImages",
    "load_data",
    "outline_data",
    "split_classes",
    "stand_in_data",
]

"""Labelled images, and splits of their classes into train, validation and test."""

from trainer.data.config import DataConfig, SplitConfig
from trainer.data.dataset import Dataset, Images, Part, SplitDataset, TensorImages
from trainer.data.files import FileImages
from trainer.data.load import load_data
from trainer.data.split import split_classes

__all__ = [
    "DataConfig",
    "Dataset",
    "FileImages",
    "Images",
    "Part",
    "SplitConfig",
    "SplitDataset",
    "TensorImages",
    "load_data",
    "split_classes",
]

"""The data set of a configuration, loaded and split."""

from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.data.config import DataConfig
from trainer.data.dataset import Dataset, SplitDataset
from trainer.data.digits import load_digits
from trainer.data.files import load_images
from trainer.data.glyphs import load_glyphs
from trainer.data.listing import LabelledFile, list_folder, list_table
from trainer.data.split import split_classes

__all__ = ["load_data"]


def load_data(config: DataConfig) -> SplitDataset:
    """Load a data set and split its classes.

    Raises:
        objectives.InputError: A folder, file, column or label is missing or empty, an image
            cannot be read, or there are too few classes for the split.
    """
    return split_classes(_load(config), config.split)


def _load(config: DataConfig) -> Dataset:
    if config.folder is not None:
        folder = config.folder.expanduser()
        return _from_files(folder, list_folder(folder), config.size)
    if config.table is not None:
        table = config.table.expanduser()
        files = list_table(table, path_column=config.path_column, label_column=config.label_column)
        return _from_files(table, files, config.size)
    return load_glyphs(config.size) if config.name == "glyphs" else load_digits(config.size)


def _from_files(source: Path, files: Sequence[LabelledFile], size: int) -> Dataset:
    names = tuple(sorted({file.label for file in files}))
    index = {name: label for label, name in enumerate(names)}
    return Dataset(
        name=source.resolve().name,
        items=tuple(file.item for file in files),
        labels=torch.tensor([index[file.label] for file in files]),
        class_names=names,
        images=load_images(tuple(file.path for file in files), size),
        image_size=size,
        crop_share=1.0,
    )

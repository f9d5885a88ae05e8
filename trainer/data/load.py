"""The data set of a configuration, loaded and split."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from objectives import Progress, ignore_progress
from trainer.data.config import DataConfig
from trainer.data.dataset import Dataset, Images, SplitDataset
from trainer.data.digits import load_digits
from trainer.data.files import load_images
from trainer.data.glyphs import load_glyphs
from trainer.data.listing import LabelledFile, list_folder, list_table
from trainer.data.outline import random_images
from trainer.data.split import split_classes

__all__ = ["load_data", "outline_data"]

# Makes the images of files, of that side in pixels.
_ImagesOf = Callable[[tuple[Path, ...], int], Images]


def load_data(
    config: DataConfig,
    *,
    cache: Path | None = None,  # noqa: ARG001  (nothing is decoded to files yet)
    progress: Progress = ignore_progress,  # noqa: ARG001
) -> SplitDataset:
    """Load a data set and split its classes.

    Args:
        config: The data set.
        cache: Folder of decoded images.
        progress: Told the share decoded.

    Raises:
        objectives.InputError: A folder, file, column or label is missing or empty, an image
            cannot be read, or there are too few classes for the split.
    """
    return split_classes(_load(config, load_images), config.split)


def outline_data(config: DataConfig) -> SplitDataset:
    """List and split a data set as `load_data` does, but open no image file: they are noise.

    Raises:
        objectives.InputError: As `load_data`, but for images that cannot be read.
    """
    return split_classes(_load(config, _noise), config.split)


def _noise(paths: tuple[Path, ...], size: int) -> Images:
    return random_images(len(paths), channels=3, size=size)


def _load(config: DataConfig, images: _ImagesOf) -> Dataset:
    if config.folder is not None:
        folder = config.folder.expanduser()
        return _from_files(folder, list_folder(folder), config.size, images)
    if config.table is not None:
        table = config.table.expanduser()
        files = list_table(table, path_column=config.path_column, label_column=config.label_column)
        return _from_files(table, files, config.size, images)
    return load_glyphs(config.size) if config.name == "glyphs" else load_digits(config.size)


def _from_files(
    source: Path, files: Sequence[LabelledFile], size: int, images: _ImagesOf
) -> Dataset:
    names = tuple(sorted({file.label for file in files}))
    index = {name: label for label, name in enumerate(names)}
    return Dataset(
        name=source.resolve().name,
        items=tuple(file.item for file in files),
        labels=torch.tensor([index[file.label] for file in files]),
        class_names=names,
        images=images(tuple(file.path for file in files), size),
    )

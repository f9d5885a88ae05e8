"""The data set of a configuration, loaded and split."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from objectives import InputError, Progress, ignore_progress
from trainer.data.config import VALIDATION_SHARE, DataConfig
from trainer.data.dataset import Dataset, Images, SplitDataset
from trainer.data.decoded import decoded_images
from trainer.data.digits import load_digits
from trainer.data.folder import list_folder
from trainer.data.listing import Listing
from trainer.data.official import OFFICIAL_SETS, list_official
from trainer.data.outline import random_images
from trainer.data.split import deal_validation, split_classes
from trainer.data.split_names import Split
from trainer.data.table import list_table

__all__ = ["load_data", "outline_data"]

_DEFAULT_CACHE: Final = ".sweeps/cache"
_GIGABYTE: Final = 10**9


def load_data(
    config: DataConfig,
    *,
    cache: Path | None = None,
    progress: Progress = ignore_progress,
) -> SplitDataset:
    """Load a data set and split its classes.

    Image files are decoded once to a cache, by one process of a machine for all, and mapped.

    Args:
        config: The data set.
        cache: Folder of decoded images; the environment's ``SWEEPS_CACHE``, or else
            ``.sweeps/cache``, if None.
        progress: Gets the share decoded, where something is.

    Raises:
        objectives.InputError: A folder, file, column or label is missing or empty, an official set
            is not complete, an image cannot be read, there is no room for the cache, or there are
            too few classes for the split.
    """
    folder = cache or Path(os.environ.get("SWEEPS_CACHE") or _DEFAULT_CACHE)

    def decoded(listing: Listing) -> Images:
        return decoded_images(
            listing.root,
            listing.files,
            folder=folder,
            stored_size=config.short_side,
            raw_limit=int(config.raw_limit_gb * _GIGABYTE),
            progress=progress,
        )

    return _load(config, decoded, folder)


def outline_data(config: DataConfig) -> SplitDataset:
    """List and split a data set as `load_data` does, but open no image file: they are noise.

    Raises:
        objectives.InputError: As `load_data`, but for images that cannot be read.
    """
    return _load(config, None, None)


def _load(
    config: DataConfig, images: Callable[[Listing], Images] | None, cache: Path | None
) -> SplitDataset:
    if config.source is None:
        return split_classes(_made(config), config.split, cache=cache)
    source = _expanded(config.source, "")
    try:
        listing = _list(config, source).without_small_classes(config.min_images_per_class)
    except OSError as error:  # of a folder above, or of a name too long, up to Python 3.13
        reason = (error.strerror or str(error)).lower()
        raise InputError(reason, file=Path(error.filename or source)) from error
    dataset = Dataset(
        name=config.name or source.resolve().name,
        items=listing.items,
        labels=listing.labels,
        class_names=listing.class_names,
        images=random_images(len(listing.files), channels=3, size=config.short_side),
        image_size=config.size,
        crop_share=config.crop_share,
    )
    parts = _parts(config, listing)
    split = split_classes(dataset, config.split, parts=parts, queries=listing.queries, cache=cache)
    # Only now, for what cannot be split need not be decoded.
    return split if images is None else _with_images(split, images(listing))


def _expanded(path: Path, key: str) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        field = f"data.{key}" if key else "data"
        raise InputError("there is no such user", field=field, file=path) from None


def _made(config: DataConfig) -> Dataset:
    if config.name == "digits":
        return load_digits(config.size)
    # Imported here: trials on photographs would hold matplotlib in memory, too.
    from trainer.data.glyphs import load_glyphs

    return load_glyphs(config.size)


def _with_images(split: SplitDataset, images: Images) -> SplitDataset:
    return replace(split, dataset=replace(split.dataset, images=images))


def _list(config: DataConfig, source: Path) -> Listing:
    if config.folder is not None:
        return list_folder(source)
    if config.table is None:
        return list_official(OFFICIAL_SETS[str(config.name)], source)
    return list_table(
        source,
        path_column=config.path_column,
        label_column=config.label_column,
        split_column=config.split_column,
        root=None if config.root is None else _root(config.root),
    )


def _root(path: Path) -> Path:
    root = _expanded(path, "root")
    if not root.is_dir():
        raise InputError(f"{root} is not a folder", field="data.root")
    return root


def _parts(config: DataConfig, listing: Listing) -> Mapping[str, Split] | None:
    if listing.parts is None or not config.official:
        return listing.parts
    share = config.validation_share or VALIDATION_SHARE
    return deal_validation(listing.parts, share=share, seed=config.split.seed)

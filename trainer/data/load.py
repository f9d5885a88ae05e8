"""The data set of a configuration, loaded and split."""

from collections.abc import Mapping
from pathlib import Path

from trainer.data.config import VALIDATION_SHARE, DataConfig
from trainer.data.dataset import Dataset, SplitDataset
from trainer.data.digits import load_digits
from trainer.data.files import load_images
from trainer.data.folder import list_folder
from trainer.data.glyphs import load_glyphs
from trainer.data.listing import Listing
from trainer.data.official import OFFICIAL_SETS, list_official
from trainer.data.split import deal_validation, split_classes
from trainer.data.split_names import Split
from trainer.data.table import list_table

__all__ = ["load_data"]


def load_data(config: DataConfig) -> SplitDataset:
    """Load a data set and split its classes.

    Raises:
        objectives.InputError: A folder, file, column or label is missing or empty, an official set
            is not complete, an image cannot be read, or there are too few classes for the split.
    """
    if config.source is None:
        made = load_glyphs if config.name == "glyphs" else load_digits
        return split_classes(made(config.size), config.split)
    source = config.source.expanduser()
    listing = _list(config, source).without_small_classes(config.min_images_per_class)
    dataset = Dataset(
        name=config.name or source.resolve().name,
        items=listing.items,
        labels=listing.labels,
        class_names=listing.class_names,
        images=load_images(tuple(listing.root / file for file in listing.files), config.size),
        image_size=config.size,
        crop_share=1.0,
    )
    parts = _parts(config, listing)
    return split_classes(dataset, config.split, parts=parts, queries=listing.queries)


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
    )


def _parts(config: DataConfig, listing: Listing) -> Mapping[str, Split] | None:
    if listing.parts is None or not config.official:
        return listing.parts
    share = config.validation_share or VALIDATION_SHARE
    return deal_validation(listing.parts, share=share, seed=config.split.seed)

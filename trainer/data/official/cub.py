"""CUB-200-2011: 200 species of birds (Wah et al., Caltech, 2011)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from objectives import InputError
from trainer.data.official.lines import fields_of, number_in
from trainer.data.official.record import Count, Layout, OfficialImage, OfficialSet, Part

__all__ = ["CUB"]

_LAST_OF_TRAIN: Final = 100
_ARCHIVE: Final = "CUB_200_2011.tgz from https://www.vision.caltech.edu/datasets/cub_200_2011/"


def _read(home: Path) -> Iterator[OfficialImage]:
    """List the images; ``train_test_split.txt`` splits within classes, and is left alone."""
    names = dict(fields_of(home / "classes.txt", 2))
    classes = dict(fields_of(home / "image_class_labels.txt", 2))
    for image, file in fields_of(home / "images.txt", 2):
        label = classes.get(image, "")
        if label not in names:
            raise InputError(
                f"image {image} has no class in image_class_labels.txt and classes.txt",
                file=home / "images.txt",
            )
        number = number_in(label, home / "classes.txt")
        part: Part = "train" if number <= _LAST_OF_TRAIN else "test"
        yield OfficialImage(file, names[label], part)


CUB: Final = OfficialSet(
    title="CUB-200-2011",
    folder="CUB_200_2011",
    layouts=(
        Layout(
            needs=dict.fromkeys(
                ("images.txt", "image_class_labels.txt", "classes.txt", "images/"), _ARCHIVE
            ),
            read=_read,
            images="images",
        ),
    ),
    counts={
        "train": Count(images=5864, classes=100),
        "test": Count(images=5924, classes=100),
    },
)

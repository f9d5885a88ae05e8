"""iNaturalist 2018: 8 142 species (Van Horn et al., CVPR 2018), split for retrieval.

The lists are those of Brown et al., ECCV 2020 (Smooth-AP), the first of their sets.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from objectives import InputError
from trainer.data.official.lines import fields_of
from trainer.data.official.record import Count, Layout, OfficialImage, OfficialSet, Part

__all__ = ["INATURALIST"]

_IMAGES: Final = "train_val2018.tar.gz from https://github.com/visipedia/inat_comp"
_SPLITS: Final = "Inat_dataset_splits, linked at https://github.com/Andrew-Brown1/Smooth_AP"
_LISTS: Final[dict[str, Part]] = {
    "Inat_dataset_splits/Inaturalist_train_set1.txt": "train",
    "Inat_dataset_splits/Inaturalist_test_set1.txt": "test",
}


def _read(home: Path) -> Iterator[OfficialImage]:
    """List the images; a species is its kingdom or class, and its number: ``Aves/2761``."""
    for name, part in _LISTS.items():
        for (file,) in fields_of(home / name, 1):
            folders = file.split("/")[:-1]
            if len(folders) < 2:
                raise InputError(
                    f"{file!r} lies in no group's and species' folder", file=home / name
                )
            yield OfficialImage(file, "/".join(folders[-2:]), part)


INATURALIST: Final = OfficialSet(
    title="iNaturalist 2018",
    folder="inaturalist",
    layouts=(
        Layout(needs={**dict.fromkeys(_LISTS, _SPLITS), "train_val2018/": _IMAGES}, read=_read),
    ),
    counts={
        "train": Count(images=325846, classes=5690),
        "test": Count(images=136093, classes=2452),
    },
)

"""Stanford Online Products: 22 634 articles of eBay (Oh Song et al., CVPR 2016)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trainer.data.official.lines import fields_of
from trainer.data.official.record import Count, Layout, OfficialImage, OfficialSet, Part

__all__ = ["SOP"]

_ARCHIVE: Final = (
    "Stanford_Online_Products.zip from https://cvgl.stanford.edu/projects/lifted_struct/"
)
_LISTS: Final[dict[str, Part]] = {"Ebay_train.txt": "train", "Ebay_test.txt": "test"}


def _read(home: Path) -> Iterator[OfficialImage]:
    """List the images; an article has no name but its number."""
    for name, part in _LISTS.items():
        for _, article, _, file in fields_of(home / name, 4, header=1):
            yield OfficialImage(file, article, part)


SOP: Final = OfficialSet(
    title="Stanford Online Products",
    folder="Stanford_Online_Products",
    layouts=(Layout(needs=dict.fromkeys((*_LISTS, "bicycle_final/"), _ARCHIVE), read=_read),),
    counts={
        "train": Count(images=59551, classes=11318),
        "test": Count(images=60502, classes=11316),
    },
)

"""In-Shop Clothes Retrieval of DeepFashion: 7 982 garments (Liu et al., CVPR 2016)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from objectives import InputError
from trainer.data.official.lines import fields_of
from trainer.data.official.record import Count, Layout, OfficialImage, OfficialSet, Part

__all__ = ["IN_SHOP"]

_PAGE: Final = "https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html"
_STATUS: Final[dict[str, Part]] = {"train": "train", "query": "query", "gallery": "gallery"}


def _read(partition: str, home: Path) -> Iterator[OfficialImage]:
    for file, garment, status in fields_of(home / partition, 3, header=2):
        if status not in _STATUS:
            raise InputError(
                f"{file} is {status!r}, not {' or '.join(_STATUS)}", file=home / partition
            )
        yield OfficialImage(file, garment, _STATUS[status])


def _layout(partition: str, images: str) -> Layout:
    return Layout(
        needs={
            partition: f"the folder Eval of {_PAGE}",
            f"{images}img/": f"img.zip in the folder Img of {_PAGE}",
        },
        read=partial(_read, partition),
        images=images,
    )


IN_SHOP: Final = OfficialSet(
    title="In-Shop Clothes Retrieval",
    folder="In-shop Clothes Retrieval Benchmark",
    layouts=(
        _layout("Eval/list_eval_partition.txt", ""),
        _layout("Eval/list_eval_partition.txt", "Img/"),
        _layout("list_eval_partition.txt", ""),
    ),
    counts={
        "train": Count(images=25882, classes=3997),
        "query": Count(images=14218, classes=3985),
        "gallery": Count(images=12612, classes=3985),
    },
)

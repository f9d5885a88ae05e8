"""Miniature trees of the official data sets, in each of their layouts.

Eight classes of the train half and three of the test half have three images each, and every class
has a grey of its own; the first image of each is a grey one, the others have three channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from scipy.io import savemat

from trainer.data.official import OFFICIAL_SETS
from trainer.data.official.record import Count, OfficialSet, Part

TRAIN, TEST, PER_CLASS = 8, 3, 3
_TEST: Final[tuple[Part, ...]] = ("test", "test", "test")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image of a tree: its item, its class and its part."""

    item: str
    label: str
    part: Part
    grey: int


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree, and what a reader must find in it."""

    name: str
    root: Path
    entries: tuple[Entry, ...]
    below: str = ""

    @property
    def record(self) -> OfficialSet:
        """The real record with the counts of this tree."""
        parts: list[Part] = [entry.part for entry in self.entries]
        counts = {
            part: Count(
                images=parts.count(part),
                classes=len({entry.label for entry in self.entries if entry.part == part}),
            )
            for part in OFFICIAL_SETS[self.name].counts
        }
        return replace(OFFICIAL_SETS[self.name], counts=counts)


Name = Callable[[int, int], str]


def entries(
    numbers: Sequence[int], item: Name, label: Callable[[int], str], rest: Sequence[Part] = _TEST
) -> tuple[Entry, ...]:
    """Three images of each class number; the last of the numbers are the test half's."""
    return tuple(
        Entry(
            item=item(number, k),
            label=label(number),
            part="train" if place < TRAIN else rest[k],
            grey=20 * place,
        )
        for place, number in enumerate(numbers)
        for k in range(PER_CLASS)
    )


def planted(name: str, root: Path, found: tuple[Entry, ...], below: str = "") -> Tree:
    """Write the images, PNG whatever they are called, and return the tree."""
    for entry in found:
        file = root / below / entry.item
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("L", (9, 8), entry.grey)
        (image if entry is found[0] else image.convert("RGB")).save(file, format="PNG")
    return Tree(name=name, root=root, entries=found, below=below)


def write(file: Path, lines: Iterator[str] | Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def cub(root: Path) -> Tree:
    """Classes 93 to 100 and 101 to 103; the lists in different orders, and of unlike ids."""

    def label(number: int) -> str:
        return f"{number:03d}.Some_Bird"

    found = entries([*range(93, 104)], lambda n, k: f"{label(n)}/Some_Bird_{n}_{k}.jpg", label)
    ids = [str(7 * number + 1) for number in range(len(found))]
    rows = list(zip(ids, found, strict=True))
    write(root / "images.txt", [f"{id_} {entry.item}" for id_, entry in rows])
    labels = [f"{id_} {int(entry.label[:3])}" for id_, entry in rows]
    write(root / "image_class_labels.txt", labels[::-1])
    write(root / "classes.txt", [f"{number} {label(number)}" for number in range(93, 104)])
    # For classification: it splits within classes.
    write(root / "train_test_split.txt", [f"{id_} {int(id_) % 2}" for id_ in ids])
    return planted("cub", root, found, "images")


CARS: Final = [f"Maker Model {number:03d} C/V 2012" for number in range(1, 197)]


def _matlab(file: Path, **variables: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, variables)


def _records(field: str, rows: Sequence[tuple[str, int]]) -> np.ndarray:
    """One row of MATLAB structs, as the authors' files have them."""
    kinds = [("bbox_x1", object), ("class", object), (field, object), ("test", object)]
    table = np.zeros((1, len(rows)), dtype=kinds)
    for place, (path, number) in enumerate(rows):
        table[0, place] = (np.array([[1]]), np.array([[number]]), path, np.array([[place % 2]]))
    return table


def _names() -> np.ndarray:
    return np.array([CARS], dtype=object)


def _cars(item: Name) -> tuple[Entry, ...]:
    return entries([*range(91, 102)], item, lambda number: CARS[number - 1])


def cars(root: Path) -> Tree:
    """``cars_annos.mat`` with ``car_ims``; its flag for classification splits within classes."""
    found = _cars(lambda n, k: f"car_ims/{n:03d}{k:03d}.jpg")
    rows = [(entry.item, CARS.index(entry.label) + 1) for entry in found]
    _matlab(
        root / "cars_annos.mat",
        annotations=_records("relative_im_path", rows),
        class_names=_names(),
    )
    return planted("cars", root, found)


def _either(number: int, k: int, train: str, test: str) -> str:
    """One of two folders, whatever the half."""
    return test if (number + k) % 2 else train


def cars_in_halves(root: Path) -> Tree:
    """The devkit with ``cars_train`` and ``cars_test``, where files have the same names."""
    found = _cars(lambda n, k: f"{_either(n, k, 'cars_train', 'cars_test')}/{n:03d}{k}.jpg")
    _matlab(root / "devkit/cars_meta.mat", class_names=_names())
    for folder, file in (
        ("cars_train", "devkit/cars_train_annos.mat"),
        ("cars_test", "cars_test_annos_withlabels.mat"),
    ):
        rows = [
            (entry.item.removeprefix(f"{folder}/"), CARS.index(entry.label) + 1)
            for entry in found
            if entry.item.startswith(folder)
        ]
        _matlab(root / file, annotations=_records("fname", rows))
    return planted("cars", root, found)


def cars_as_csv(root: Path) -> Tree:
    """``names.csv`` and ``anno_*.csv`` with a folder for each class, slashes replaced."""

    def item(number: int, k: int) -> str:
        half = _either(number, k, "train", "test")
        return f"car_data/car_data/{half}/{CARS[number - 1].replace('/', '-')}/{k:05d}.jpg"

    found = _cars(item)
    write(root / "names.csv", CARS)
    for half in ("train", "test"):
        write(
            root / f"anno_{half}.csv",
            [
                f"{Path(entry.item).name},39,116,569,375,{CARS.index(entry.label) + 1}"
                for entry in found
                if f"/{half}/" in entry.item
            ],
        )
    return planted("cars", root, found)


def sop(root: Path) -> Tree:
    found = entries([*range(5, 16)], lambda n, k: f"bicycle_final/1110851{n}_{k}.JPG", str)
    for part, file in (("train", "Ebay_train.txt"), ("test", "Ebay_test.txt")):
        lines = [
            f"{number} {entry.label} 1 {entry.item}"
            for number, entry in enumerate(found, start=1)
            if entry.part == part
        ]
        write(root / file, ["image_id class_id super_class_id path", *lines])
    return planted("sop", root, found)


def inaturalist(root: Path) -> Tree:
    """Groups that both halves have; species are told apart by group and number."""

    def label(number: int) -> str:
        return f"{('Aves', 'Plantae')[number % 2]}/{number // 2}"

    found = entries([*range(4, 15)], lambda n, k: f"train_val2018/{label(n)}/{k}a.jpg", label)
    for part in ("train", "test"):
        write(
            root / f"Inat_dataset_splits/Inaturalist_{part}_set1.txt",
            [entry.item for entry in found if entry.part == part],
        )
    return planted("inaturalist", root, found)


def _in_shop(root: Path, partition: str, below: str = "") -> Tree:
    found = entries(
        [*range(1, 12)],
        lambda n, k: f"img/WOMEN/Dresses/id_{n:08d}/0{k}_1_front.jpg",
        lambda n: f"id_{n:08d}",
        ("query", "gallery", "gallery"),
    )
    lines = [f"{entry.item}{' ' * 30}{entry.label} {entry.part}   " for entry in found]
    header = [str(len(lines)), "image_name item_id evaluation_status"]
    write(root / partition, header + lines)
    return planted("in_shop", root, found, below)


def in_shop(root: Path) -> Tree:
    return _in_shop(root, "Eval/list_eval_partition.txt")


def in_shop_as_downloaded(root: Path) -> Tree:
    return _in_shop(root, "Eval/list_eval_partition.txt", "Img")


def in_shop_beside(root: Path) -> Tree:
    return _in_shop(root, "list_eval_partition.txt")


TREES: Final[tuple[Callable[[Path], Tree], ...]] = (
    cub,
    cars,
    cars_in_halves,
    cars_as_csv,
    sop,
    inaturalist,
    in_shop,
    in_shop_as_downloaded,
    in_shop_beside,
)

"""Class-disjoint splits that come out alike on every machine, and their fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

import torch

from objectives import InputError
from trainer.data.config import SplitConfig
from trainer.data.dataset import Dataset, SplitDataset
from trainer.data.split_names import SPLITS, Split

__all__ = ["MIN_CLASSES", "split_classes"]

# Fewer leave no negatives to compare with positives.
MIN_CLASSES: Final = 2


def split_classes(dataset: Dataset, shares: SplitConfig) -> SplitDataset:
    """Deal the classes of a data set to train, validation and test.

    The classes are put in the order of a hash of the seed and their names, which no machine and
    no library version changes, and cut at the rounded shares.

    Raises:
        InputError: A part would get fewer than two classes that have two images or more.
    """
    split_of = _deal(dataset.class_names, shares)
    _check_sizes(dataset, split_of)
    codes = torch.tensor([SPLITS.index(split_of[name]) for name in dataset.class_names])
    indices = [torch.nonzero(codes[dataset.labels] == k).flatten() for k in range(len(SPLITS))]
    return SplitDataset(
        dataset=dataset,
        train=indices[0],
        validation=indices[1],
        test=indices[2],
        fingerprint=_fingerprint(dataset, split_of),
    )


def _deal(class_names: tuple[str, ...], shares: SplitConfig) -> dict[str, Split]:
    def draw(name: str) -> str:
        return hashlib.sha256(f"{shares.seed}:{name}".encode()).hexdigest()

    shuffled = sorted(class_names, key=draw)
    first = int(len(shuffled) * shares.train + 0.5)
    second = int(len(shuffled) * (shares.train + shares.validation) + 0.5)
    return {
        name: SPLITS[(position >= first) + (position >= second)]
        for position, name in enumerate(shuffled)
    }


def _check_sizes(dataset: Dataset, split_of: Mapping[str, Split]) -> None:
    per_class = torch.bincount(dataset.labels, minlength=len(dataset.class_names)).tolist()
    usable = dict.fromkeys(SPLITS, 0)
    for name, count in zip(dataset.class_names, per_class, strict=True):
        usable[split_of[name]] += count >= 2
    if min(usable.values()) < MIN_CLASSES:
        counts = ", ".join(f"{part} {count}" for part, count in usable.items())
        raise InputError(
            f"each part needs at least {MIN_CLASSES} classes that have two images or "
            f"more, but of the {len(dataset.class_names)} classes of {dataset.name} the parts get "
            f"{counts}",
            field="data.split",
        )


def _fingerprint(dataset: Dataset, split_of: Mapping[str, Split]) -> str:
    rows = []
    for item, label in zip(dataset.items, dataset.labels.tolist(), strict=True):
        name = dataset.class_names[label]
        rows.append(json.dumps([item, name, split_of[name]]))
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()

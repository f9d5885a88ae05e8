"""Class-disjoint splits that come out alike on every machine, and their fingerprint."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from objectives import InputError
from trainer.data.config import SplitConfig
from trainer.data.dataset import Dataset, SplitDataset
from trainer.data.split_names import SPLITS, Split

__all__ = ["MIN_CLASSES", "deal_validation", "split_classes"]

# Fewer leave no negatives to compare with positives.
MIN_CLASSES: Final = 2


def split_classes(
    dataset: Dataset,
    shares: SplitConfig,
    *,
    parts: Mapping[str, Split] | None = None,
    queries: Tensor | None = None,
    cache: Path | None = None,
) -> SplitDataset:
    """Deal the classes of a data set to train, validation and test.

    The classes are put in the order of a hash of the seed and their names, which no machine and
    no library version changes, and cut at the rounded shares. Classes of one image are not
    trained on; in the other two they are others' negatives.

    Args:
        dataset: The data set.
        shares: The shares, and the seed.
        parts: The split of each class, where it is given; then nothing is dealt.
        queries: N bool, the queries of the test split, where it has a gallery.
        cache: Folder for what is computed of the images.

    Raises:
        InputError: A part would get fewer than two classes that have two images or more.
    """
    split_of = _deal(dataset.class_names, shares) if parts is None else parts
    per_class = torch.bincount(dataset.labels, minlength=len(dataset.class_names))
    _check_sizes(dataset, split_of, per_class, field="data.split" if parts is None else "data")
    codes = torch.tensor([SPLITS.index(split_of[name]) for name in dataset.class_names])
    train, validation, test = (codes[dataset.labels] == k for k in range(len(SPLITS)))
    return SplitDataset(
        dataset=dataset,
        train=torch.nonzero(train & (per_class > 1)[dataset.labels]).flatten(),
        validation=torch.nonzero(validation).flatten(),
        test=torch.nonzero(test).flatten(),
        fingerprint=_fingerprint(dataset, split_of),
        queries=queries,
        cache=cache,
    )


def deal_validation(parts: Mapping[str, Split], *, share: float, seed: int) -> Mapping[str, Split]:
    """Return the parts with a share of the training classes as validation classes.

    They are the first in the order by which `split_classes` deals.
    """
    train = _shuffled((name for name, split in parts.items() if split == "train"), seed)
    held_out = train[: int(len(train) * share + 0.5)]
    return {**parts, **dict.fromkeys(held_out, SPLITS[1])}


def _deal(class_names: tuple[str, ...], shares: SplitConfig) -> dict[str, Split]:
    shuffled = _shuffled(class_names, shares.seed)
    first = int(len(shuffled) * shares.train + 0.5)
    second = int(len(shuffled) * (shares.train + shares.validation) + 0.5)
    return {
        name: SPLITS[(position >= first) + (position >= second)]
        for position, name in enumerate(shuffled)
    }


def _shuffled(names: Iterable[str], seed: int) -> list[str]:
    def draw(name: str) -> str:
        # A folder's name need not be UTF-8.
        return hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).hexdigest()

    return sorted(names, key=draw)


def _check_sizes(
    dataset: Dataset, split_of: Mapping[str, Split], per_class: Tensor, *, field: str
) -> None:
    usable = dict.fromkeys(SPLITS, 0)
    for name, count in zip(dataset.class_names, per_class.tolist(), strict=True):
        usable[split_of[name]] += count >= 2
    if min(usable.values()) < MIN_CLASSES:
        counts = ", ".join(f"{part} {count}" for part, count in usable.items())
        raise InputError(
            f"each part needs at least {MIN_CLASSES} classes that have two images or "
            f"more, but of the {len(dataset.class_names)} classes of {dataset.name} the parts get "
            f"{counts}",
            field=field,
        )


def _fingerprint(dataset: Dataset, split_of: Mapping[str, Split]) -> str:
    """Hash the sorted lines ``["item", "class name", "split"]``."""
    ends = [f", {json.dumps([name, split_of[name]])[1:]}" for name in dataset.class_names]
    rows = sorted(
        f"[{json.dumps(item)}{ends[label]}"
        for item, label in zip(dataset.items, dataset.labels.tolist(), strict=True)
    )
    digest, between = hashlib.sha256(), ""
    for row in rows:
        digest.update(f"{between}{row}".encode())
        between = "\n"
    return digest.hexdigest()

"""Checks of metric learning: what spaces and data have to keep to before a sweep starts."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from objectives import InputError
from sweeps.spec.data import Data
from sweeps.spec.space import SearchSpace
from trainer import SplitDataset

__all__ = [
    "check",
    "check_backbones",
    "check_batches",
    "check_classes",
    "data_facts",
    "most_classes",
]


def check_batches(values: Callable[[str], Sequence[Any]]) -> None:
    """Refuse batches that do not hold whole classes, or only one."""
    for batch_size in values("batch_size"):
        for samples in values("samples_per_class"):
            if batch_size % samples:
                raise InputError(
                    f"{batch_size} is not a multiple of samples_per_class ({samples}); every "
                    "combination in the space must be",
                    field="batch_size",
                )
            if batch_size == samples:
                raise InputError(
                    f"{batch_size} holds one class of samples_per_class ({samples}); a batch "
                    "needs two or more",
                    field="batch_size",
                )


def check(space: SearchSpace, data: Data) -> None:
    """Refuse a backbone that timm lacks or that does not take the images, and too few classes."""
    images = data.content.dataset.images
    check_backbones(
        space, channels=images.channels, size=data.content.dataset.image_size, pretrained=None
    )
    check_classes(space, data.facts["train_classes"])


def check_backbones(
    space: SearchSpace, *, channels: int, size: int, pretrained: bool | None
) -> None:
    """Build each trunk of the space once, with the weights that the space says if None."""
    from trainer import Embedder

    wanted = space.values("pretrained") if pretrained is None else (pretrained,)
    for backbone, weights in product(space.values("backbone"), wanted):
        Embedder(
            backbone=str(backbone),
            pretrained=bool(weights),
            embedding_dim=2,
            channels=channels,
            image_size=size,
        )


def check_classes(space: SearchSpace, classes: int) -> None:
    """Refuse batches that need more classes than the training split has."""
    needed = most_classes(space)
    if needed > classes:
        raise InputError(
            f"a batch of this space can need {needed} classes (batch_size / samples_per_class), "
            f"the training split has {classes}",
            field="batch_size",
        )


def most_classes(space: SearchSpace) -> int:
    """Return how many classes a batch of the space can need."""
    return int(max(space.values("batch_size"))) // int(min(space.values("samples_per_class")))


def data_facts(data: SplitDataset) -> dict[str, Any]:
    """Return what provenance says of the data."""
    return {
        "name": data.dataset.name,
        "fingerprint": data.fingerprint,
        "images": len(data.dataset.items),
        "train_classes": data.class_count("train"),
    }

"""A labelled set of images, whole and split."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from trainer.data.split_names import SPLITS, Split

__all__ = ["Dataset", "Images", "SplitDataset", "TensorImages"]


class Images(Protocol):
    """Square images of one size, C x S x S each."""

    @property
    def channels(self) -> int:
        """C: 1 for grey, 3 for RGB."""

    @property
    def size(self) -> int:
        """S, in pixels."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor) -> Tensor:
        """Return the images at ``indices`` (B int64) as B x C x S x S uint8 on the CPU.

        Raises:
            objectives.InputError: A file is gone or cannot be decoded.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorImages:
    """Images held in memory.

    Attributes:
        pixels: N x C x S x S uint8, on the CPU.
    """

    pixels: Tensor

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != torch.uint8 or len(shape) != 4 or shape[2] != shape[3]:
            raise ValueError(f"pixels must be N x C x S x S uint8, not {self.pixels.dtype} {shape}")

    @property
    def channels(self) -> int:
        """C: 1 for grey, 3 for RGB."""
        return self.pixels.shape[1]

    @property
    def size(self) -> int:
        """S, in pixels."""
        return self.pixels.shape[2]

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def batch(self, indices: Tensor) -> Tensor:
        """Return the images at ``indices`` (B int64) as B x C x S x S uint8."""
        return self.pixels[indices]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images.

    Attributes:
        name: Its name in reports.
        items: N stable, unique identifiers: relative POSIX paths, or ``U+0041/DejaVuSans``.
        labels: N int64, indices into ``class_names``.
        class_names: The names of the classes.
        images: The N images.
    """

    name: str
    items: tuple[str, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    images: Images

    def __post_init__(self) -> None:
        counts = {len(self.items), len(self.labels), len(self.images)}
        if len(counts) != 1:
            raise ValueError(f"items, labels and images must be equally many, not {counts}")
        if len(set(self.items)) != len(self.items):
            raise ValueError("items must be unique")


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitDataset:
    """A data set whose classes are split into three disjoint parts.

    Attributes:
        dataset: The whole.
        train: Indices of the training images, ascending int64.
        validation: Indices of the validation images, ascending int64.
        test: Indices of the test images, ascending int64.
        fingerprint: SHA-256 in hexadecimal digits of the items, class names and parts.
        queries: N bool: the test images that are searched for among the other test images, the
            gallery; no other image is one. None where every image is both.
    """

    dataset: Dataset
    train: Tensor
    validation: Tensor
    test: Tensor
    fingerprint: str
    queries: Tensor | None = None

    def indices(self, split: Split) -> Tensor:
        """Return the image indices (int64) of a split.

        Raises:
            ValueError: There is no split of that name.
        """
        if split not in SPLITS:
            raise ValueError(f"{split!r} is not one of {', '.join(SPLITS)}")
        indices: Tensor = getattr(self, split)
        return indices

    def class_count(self, split: Split) -> int:
        """Return the number of classes of a split."""
        return len(set(self.dataset.labels[self.indices(split)].tolist()))

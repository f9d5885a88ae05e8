"""What a labelled set of images is, whole and split."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["Dataset", "Images", "Part", "SplitDataset", "TensorImages"]

Part = Literal["train", "validation", "test"]


class Images(Protocol):
    """N square images of one size, C x S x S each."""

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
    """N labelled images.

    Attributes:
        name: How reports call it.
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
    """A data set with class-disjoint parts.

    Attributes:
        dataset: The whole.
        train: Indices of the training images, ascending int64.
        validation: Indices of the validation images, ascending int64.
        test: Indices of the test images, ascending int64.
        fingerprint: SHA-256 in hexadecimal digits of the items, class names and parts.
    """

    dataset: Dataset
    train: Tensor
    validation: Tensor
    test: Tensor
    fingerprint: str

    def part(self, name: Part) -> Tensor:
        """Return the image indices (int64) of one part.

        Raises:
            ValueError: There is no part of that name.
        """
        if name not in ("train", "validation", "test"):
            raise ValueError(f"{name!r} is not one of train, validation, test")
        indices: Tensor = getattr(self, name)
        return indices

    def class_count(self, name: Part) -> int:
        """Return the number of classes in one part."""
        return len(set(self.dataset.labels[self.part(name)].tolist()))

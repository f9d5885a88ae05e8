"""A listing: files, items and classes of a set of images, before any is decoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from pathlib import Path

import torch
from torch import Tensor

from objectives import InputError
from trainer.data.split_names import Split

__all__ = ["Listing"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """Labelled image files, in the order of their items.

    Attributes:
        root: The folder that relative files start at.
        files: N paths, relative to ``root`` or absolute, as the file system spells them.
        items: N stable, unique identifiers (NFC); the same objects as files where they are equal.
        labels: N int64, indices into ``class_names``.
        class_names: The names of the classes, sorted.
        parts: The split of each class, where the source fixes it.
        queries: N bool: the images that are searched for among the others of their split, where
            the source has queries and a gallery.
    """

    root: Path
    files: tuple[str, ...]
    items: tuple[str, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    parts: Mapping[str, Split] | None = None
    queries: Tensor | None = None

    @classmethod
    def ordered(
        cls,
        root: Path,
        *,
        files: Sequence[str],
        items: Sequence[str],
        labels: Sequence[str],
        parts: Mapping[str, Split] | None = None,
        queries: Sequence[bool] | None = None,
    ) -> "Listing":
        """Return the listing of N files in any order; ``labels`` are the names of their classes.

        Raises:
            InputError: Two files have the same item.
        """
        order = sorted(range(len(items)), key=items.__getitem__)
        ordered = tuple(items[k] for k in order)
        twice = next((item for item, after in pairwise(ordered) if item == after), None)
        if twice is not None:
            raise InputError(f"{twice} is listed twice", file=root)
        names = tuple(sorted(set(labels)))
        index = {name: label for label, name in enumerate(names)}
        return cls(
            root=root,
            files=tuple(files[k] for k in order),
            items=ordered,
            labels=torch.tensor([index[labels[k]] for k in order]),
            class_names=names,
            parts=parts,
            queries=None if queries is None else torch.tensor([queries[k] for k in order]),
        )

    def without_small_classes(self, images: int) -> "Listing":
        """Return it without the classes that have fewer than so many images.

        Raises:
            InputError: No class has as many.
        """
        large = torch.bincount(self.labels, minlength=len(self.class_names)) >= images
        if large.all():
            return self
        if not large.any():
            raise InputError(
                f"no class of {self.root} has {images} images", field="data.min_images_per_class"
            )
        kept = large[self.labels]
        return Listing(
            root=self.root,
            files=tuple(compress(self.files, kept.tolist())),
            items=tuple(compress(self.items, kept.tolist())),
            labels=(large.cumsum(0) - 1)[self.labels[kept]],
            class_names=tuple(compress(self.class_names, large.tolist())),
            parts=self.parts,
            queries=None if self.queries is None else self.queries[kept],
        )

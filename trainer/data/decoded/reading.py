"""A finished cache, mapped: the page cache holds one copy for all processes of a machine."""

import mmap
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives import InputError
from trainer.data.decoded.encoding import ABOUT, IMAGES, INDEX, READERS, RECORD, About, Format

__all__ = ["StoredImages"]


@final
class StoredImages:
    """Images of a cache, read from its mapped file.

    Threads may share it. A pickle of it holds the name of its folder, and no pixels.

    Args:
        folder: The folder of the cache.

    Raises:
        objectives.InputError: The folder is no whole cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            text = (folder / ABOUT).read_text(encoding="utf-8")
            about = About.model_validate_json(text)
            index = np.fromfile(folder / INDEX, dtype=RECORD)
            size = (folder / IMAGES).stat().st_size
        except (OSError, ValueError) as error:
            raise self._damaged() from error
        if len(index) != about.count or int(index["end"][-1:].sum()) != size:
            raise self._damaged()
        self.format = about.format
        self._ends = np.concatenate([[0], index["end"]]).astype(np.int64)
        self._shapes = np.stack([index["height"], index["width"]], axis=1).astype(np.int64)

    def __reduce__(self) -> tuple[type["StoredImages"], tuple[Path]]:
        return StoredImages, (self.folder,)

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def channels(self) -> int:
        """Always 3, RGB."""
        return 3

    @property
    def shapes(self) -> Tensor:
        """N x 2 int64: height and width of each image in pixels."""
        return torch.from_numpy(self._shapes)

    def crops(self, indices: Tensor, boxes: Tensor) -> Tensor:
        """Return a part of each image, as B x 3 x H x W uint8 on the CPU.

        H and W are those of the largest box; a smaller part lies at the upper left, and what is
        left is 0.

        Args:
            indices: B int64, the images.
            boxes: B x 4 int64: top, left, height and width of the part, within its image.

        Raises:
            objectives.InputError: The cache is damaged.
            ValueError: A box is not within its image.
        """
        _check(boxes, self.shapes[indices])
        height, width = boxes[:, 2:].amax(0).tolist() if len(boxes) else (0, 0)
        crops = np.zeros((len(boxes), 3, height, width), dtype=np.uint8)
        mapped, read = self._mapped, READERS[self.format]

        def copy(
            crop: NDArray[np.uint8], start: int, end: int, shape: list[int], box: list[int]
        ) -> None:
            top, left, height, width = box
            try:
                image = read(mapped[start:end], shape)
            except OSError as error:
                raise self._damaged() from error
            crop[:, :height, :width] = image[:, top : top + height, left : left + width]

        rows = indices.numpy()
        starts, ends = self._ends[rows], self._ends[rows + 1]
        places = (starts.tolist(), ends.tolist(), self._shapes[rows].tolist(), boxes.tolist())
        threads = torch.get_num_threads() if self.format is Format.JPEG else 1
        with ThreadPoolExecutor(threads) as pool:
            each = pool.map if threads > 1 else map
            for _ in each(copy, crops, *places):
                pass
        return torch.from_numpy(crops)

    @cached_property
    def _mapped(self) -> NDArray[np.uint8]:
        with (self.folder / IMAGES).open("rb") as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

    def _damaged(self) -> InputError:
        return InputError(
            "this cache of decoded images is damaged: delete the folder, and it is made anew",
            file=self.folder,
        )


def _check(boxes: Tensor, shapes: Tensor) -> None:
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    if (low < 0).any() or (high < low).any() or (high > shapes).any():
        raise ValueError("a box is not within its image")

"""Image files: decoding to square RGB, and images that are decoded on demand."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from objectives import InputError
from trainer.data.dataset import Images, TensorImages

__all__ = ["MEMORY_LIMIT", "FileImages", "decode", "load_images"]

# Up to this many bytes of decoded pixels are held in memory.
MEMORY_LIMIT: Final = 4 * 2**30
_THREADS: Final = min(8, os.cpu_count() or 1)
_SIXTEEN_BIT: Final = ("I", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, kw_only=True, eq=False)
class FileImages:
    """Image files that are decoded to RGB whenever they are asked for.

    Attributes:
        paths: The N files.
        size: Side of the square images in pixels.
    """

    paths: tuple[Path, ...]
    size: int

    @property
    def channels(self) -> int:
        """Always 3, RGB."""
        return 3

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shapes(self) -> Tensor:
        """N x 2 int64: height and width in pixels."""
        return torch.tensor((self.size, self.size)).expand(len(self), 2)

    def crops(self, indices: Tensor, boxes: Tensor) -> Tensor:
        """Return what lies in a box of each image, as `Images.crops` does."""
        paths = [self.paths[index] for index in indices.tolist()]
        pixels = torch.empty(len(paths), 3, self.size, self.size, dtype=torch.uint8)
        for row, image in zip(pixels, _decode_all(paths, self.size), strict=True):
            row.copy_(torch.from_numpy(image))
        return TensorImages(pixels=pixels).crops(torch.arange(len(paths)), boxes)


def load_images(paths: tuple[Path, ...], size: int) -> Images:
    """Return the files as square images of side ``size``, in memory if they fit.

    If they do not fit in `MEMORY_LIMIT` bytes, each file is opened once to see that it is an
    image, and decoded when asked for.

    Raises:
        objectives.InputError: A file is missing or no readable image.
    """
    images = FileImages(paths=paths, size=size)
    if len(paths) * 3 * size * size <= MEMORY_LIMIT:
        whole = torch.tensor((0, 0, size, size)).expand(len(paths), 4)
        return TensorImages(pixels=images.crops(torch.arange(len(paths)), whole))
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(_check_header, paths):
            pass
    return images


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """Decode one file to 3 x ``size`` x ``size`` RGB.

    It is turned upright by its EXIF orientation, put on white where it is transparent, resized on
    its short side and cropped to the centre. Of an animation the first frame is taken.

    Raises:
        objectives.InputError: The file is missing or no readable image.
    """
    try:
        with Image.open(path) as file:
            # Lets JPEG decode at a half, a quarter or an eighth where that is still ample.
            file.draft(None, (2 * size, 2 * size))
            upright = _rgb(ImageOps.exif_transpose(file))
        square = ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC)
    except Exception as error:  # decoders raise all sorts of things on bytes they do not expect
        raise _unreadable(path, error) from error
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def _decode_all(paths: Iterable[Path], size: int) -> Iterator[NDArray[np.uint8]]:
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda path: decode(path, size), paths)


def _check_header(path: Path) -> None:
    try:
        with Image.open(path):
            pass
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError("there is no such file", file=path)
    empty_or_unknown = isinstance(error, UnidentifiedImageError)
    reason = "empty, or of an unknown format" if empty_or_unknown else str(error)
    return InputError(f"cannot be read as an image ({reason})", file=path)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        grey = np.asarray(image).astype(np.int64) // 257
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined range")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", opaque.size, "white")
        return Image.alpha_composite(white, opaque).convert("RGB")
    return image.convert("RGB")

"""Two formats of a stored image, raw and JPEG, and the files of a cache."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.data.decoded.decoding import DECODER
from trainer.strict_model import StrictModel

__all__ = [
    "ABOUT",
    "IMAGES",
    "INDEX",
    "READERS",
    "RECORD",
    "About",
    "EncodedImage",
    "Encoding",
    "Format",
]

# One image after the other, their records, and what the folder is.
IMAGES: Final = "images.bin"
INDEX: Final = "index.bin"
ABOUT: Final = "about.json"
# Of an image: where its bytes end in the file (they begin where those of the image before it end),
# the stamp of the file that it was decoded from, and its height and width.
RECORD: Final = np.dtype([("end", "<u8"), ("stamp", "<u8"), ("height", "<u4"), ("width", "<u4")])
# Whole chroma: by PSNR better than half of it (4:2:0) at a higher quality and the same size.
_QUALITY: Final = 90
_WHOLE_CHROMA: Final = 0


class Format(StrEnum):
    """Format of stored pixels: as they are, or as a JPEG of quality 90."""

    RAW = "raw"
    JPEG = "jpeg"


class EncodedImage(NamedTuple):
    """An image as it is stored."""

    content: bytes
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Everything but the files that decides on the bytes of a cache.

    Attributes:
        format: How pixels are stored.
        stored_size: The short side in pixels that larger images are reduced to.
    """

    format: Format
    stored_size: int

    def __str__(self) -> str:
        return f"{self.format}, {self.stored_size}, decoder {DECODER}"

    def encoded(self, pixels: NDArray[np.uint8]) -> EncodedImage:
        """Return an image, 3 x H x W, as it is stored."""
        _, height, width = pixels.shape
        content = pixels.tobytes() if self.format is Format.RAW else _to_jpeg(pixels)
        return EncodedImage(content, height, width)


def _to_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.save(buffer, "JPEG", quality=_QUALITY, subsampling=_WHOLE_CHROMA)
    return buffer.getvalue()


def _from_jpeg(content: NDArray[np.uint8], _shape: Sequence[int]) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content.tobytes())) as image:
        return np.asarray(image).transpose(2, 0, 1)


def _from_raw(content: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    return content.reshape(3, *shape)


# What returns the 3 x H x W pixels of an image from its bytes and (H, W).
READERS: Final = {Format.RAW: _from_raw, Format.JPEG: _from_jpeg}


class About(StrictModel):
    """A cache in words, in ``about.json``: for its reader, and for people who find the folder.

    Attributes:
        root: The folder that the files were in.
        count: The number of images.
        format: How they are stored.
        stored_size: Their short side in pixels, where they were not smaller.
        decoder: Version of what decoded them.
    """

    root: str
    count: int
    format: Format
    stored_size: int
    decoder: str = DECODER

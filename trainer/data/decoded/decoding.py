"""Image files decoded to RGB: the whole image, upright, its short side reduced."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL import __version__ as pillow_version

from objectives import InputError

__all__ = ["DECODER", "decode", "stored_pixels", "unreadable"]

# Another one makes caches anew: the number is raised whenever `decode` gives other pixels.
DECODER: Final = f"1, Pillow {pillow_version}"
_SIXTEEN_BIT: Final = ("I", "I;16", "I;16L", "I;16B", "I;16N")
# What turns an image upright, by its EXIF orientation.
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(path: str, stored_size: int) -> NDArray[np.uint8]:
    """Decode one file to 3 x H x W RGB, the smaller of H and W being ``stored_size``.

    It is turned upright by its EXIF orientation, put on white where it is transparent, and reduced
    by an antialiased bicubic filter. A smaller image stays as it is. Of an animation the first
    frame is taken.

    Raises:
        objectives.InputError: The file is missing or no readable image.
    """
    try:
        with Image.open(path) as file:
            # Lets JPEG decode at a half, a quarter or an eighth where that is still ample.
            file.draft(None, (2 * stored_size, 2 * stored_size))
            upright = _rgb(_upright(file))
    except Exception as error:  # decoders raise all sorts of things on bytes they do not expect
        raise unreadable(path, error) from error
    return _reduced(upright, stored_size)


def stored_pixels(path: str, stored_size: int) -> int | None:
    """Return H x W of what `decode` gives, by the file's header; None where that cannot be read."""
    try:
        with Image.open(path) as file:
            height, width = _shape(file.height, file.width, stored_size)
    except Exception:
        return None
    return height * width


def unreadable(path: str, error: Exception) -> InputError:
    """Return what a user is told of a file that could not be opened or decoded."""
    if isinstance(error, FileNotFoundError):
        return InputError("there is no such file", file=Path(path))
    empty_or_unknown = isinstance(error, UnidentifiedImageError)
    reason = "empty, or of an unknown format" if empty_or_unknown else str(error)
    return InputError(f"cannot be read as an image ({reason})", file=Path(path))


def _reduced(image: Image.Image, stored_size: int) -> NDArray[np.uint8]:
    shape = _shape(image.height, image.width, stored_size)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if shape != (image.height, image.width):
        # Pillow's own filter gives the same pixels, give or take one grey level, in six times the
        # time. On x86 this one keeps to the calling thread.
        pixels = torch.nn.functional.interpolate(
            pixels[None], shape, mode="bicubic", antialias=True
        )[0]
    planar: NDArray[np.uint8] = pixels.contiguous().numpy()
    return planar


def _shape(height: int, width: int, stored_size: int) -> tuple[int, int]:
    share = min(1.0, stored_size / min(height, width))
    return round(height * share), round(width * share)


def _upright(file: Image.Image) -> Image.Image:
    # Not by `ImageOps.exif_transpose`: it writes the other tags anew, and fails on odd ones.
    file.load()
    turn = _TURNS.get(file.getexif().get(ExifTags.Base.Orientation, 1))
    return file if turn is None else file.transpose(turn)


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

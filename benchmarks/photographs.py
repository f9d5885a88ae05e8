"""Photograph-like JPEGs: no photographs, but as large, and as much work to decode."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["HEIGHT", "WIDTH", "write_photographs"]

HEIGHT: Final = 375
WIDTH: Final = 500
# All are cut from one picture, of noise at scales from a few pixels to all of it.
_CANVAS: Final = (1500, 2000)
_SCALES: Final = [2**k for k in range(2, 11)]
_SLOPE: Final = 0.4


def write_photographs(folder: Path, count: int) -> list[str]:
    """Write JPEGs of 500 x 375 pixels and some 50 kB each, and return their names."""
    random = np.random.default_rng(0)
    canvas = _canvas(random)
    names = [f"{number:06d}.jpg" for number in range(count)]
    for name in names:
        top, left = random.integers(0, (canvas.height - HEIGHT, canvas.width - WIDTH)).tolist()
        part = canvas.crop((left, top, left + WIDTH, top + HEIGHT))
        part.save(folder / name, quality=90)
    return names


def _canvas(random: np.random.Generator) -> Image.Image:
    total = np.zeros((*_CANVAS, 3))
    for scale in _SCALES:
        shape = [max(2, side * scale // 2048) for side in _CANVAS]
        grey, tint = random.normal(size=(*shape, 1)), random.normal(size=(*shape, 3))
        total += _enlarged(grey + 0.35 * tint) * scale**-_SLOPE
    pixels = 128 + 52 * (total - total.mean()) / total.std()
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _enlarged(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = _CANVAS
    channels = [
        Image.fromarray(channel.astype(np.float32)).resize((width, height))
        for channel in np.moveaxis(noise, 2, 0)
    ]
    return np.stack([np.asarray(channel, dtype=np.float64) for channel in channels], axis=2)

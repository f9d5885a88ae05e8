"""Image files to make caches of."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from objectives import Progress, ignore_progress
from trainer.data.decoded import StoredImages, decoded_images

# Height and width; the short side is stored at 16 pixels.
STORED = 16
SHAPES = ((40, 30), (16, 16), (20, 31), (9, 25), (64, 16), (33, 77), (17, 17))


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    """Colours that differ from pixel to pixel."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_pictures(folder: Path, shapes: Sequence[tuple[int, int]] = SHAPES) -> list[str]:
    """Write a PNG of each shape, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number}.png" for number in range(len(shapes))]
    for number, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        noise(*shape, seed=number).save(folder / name)
    return names


def cached(
    root: Path,
    names: Sequence[str],
    folder: Path,
    *,
    stored_size: int = STORED,
    raw_limit: int = 10**9,
    progress: Progress = ignore_progress,
) -> StoredImages:
    return decoded_images(
        root,
        names,
        folder=folder,
        stored_size=stored_size,
        raw_limit=raw_limit,
        progress=progress,
    )


def content(images: StoredImages) -> dict[str, bytes]:
    """Return every file of a cache."""
    return {path.name: path.read_bytes() for path in sorted(images.folder.iterdir())}


def truncate(path: Path) -> None:
    """Leave a file whose header is whole and whose pixels are not."""
    os.truncate(path, path.stat().st_size // 2)

"""The decoded cache: how fast it is made and read, how large it is, and what a reader holds.

``python -m benchmarks.decoding [--json FILE] [--threads N] [--images N]``

The images are made for it (`benchmarks.photographs`), and all of it happens in the folder for
temporary files. The bare loop opens, decodes and resizes them on all cores and drops what comes of
it, by our own decoder; once more with Pillow's resize in place of torch's.
"""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.photographs import HEIGHT, WIDTH, write_photographs
from benchmarks.results import Comparison, arguments, publish, resident, time_each
from trainer.data.decoded import StoredImages, decoded_images
from trainer.data.decoded.decoding import decode

_STORED: Final = 256
_BATCH: Final = 128
_SIDE: Final = 64
# As many images as the peer that has them in memory is given.
_HELD: Final = 4000
_LIMITS: Final = {"raw": 10**15, "JPEG": 0}


def rates(root: Path, names: list[str]) -> list[Comparison]:
    """Return how long it takes to make a cache beside decoding alone."""
    paths = [str(root / name) for name in names]
    works: dict[str, Callable[[], object]] = {
        store: partial(_make, root, names, limit) for store, limit in _LIMITS.items()
    }
    works["the bare loop"] = lambda: _on_all_cores(_decode, paths)
    works["the bare loop with Pillow's resize"] = lambda: _on_all_cores(_decode_by_pillow, paths)
    seconds = time_each(works, rounds=3, warm=False)
    return [
        Comparison(
            work=f"{len(names)} JPEGs of {WIDTH} x {HEIGHT} into a cache, {store}",
            ours=seconds[store],
            peer=peer,
            theirs=seconds[peer],
            bar=1 / 0.9 if (store, peer) == ("raw", "the bare loop") else None,
        )
        for store in _LIMITS
        for peer in works
        if peer not in _LIMITS
    ]


def reading(images: dict[str, StoredImages]) -> list[Comparison]:
    """Return how long a batch of crops takes beside crops of images in memory."""
    chosen = torch.arange(min(_HELD, len(images["raw"])))
    square = torch.tensor([0, 0, _STORED, _STORED]).expand(len(chosen), 4)
    held = images["raw"].crops(chosen, square)
    batches, peer = _batches(len(chosen)), "images in memory, one by one"
    works: dict[str, Callable[[], object]] = {
        store: partial(_read, each.crops, batches) for store, each in images.items()
    }
    works[peer] = partial(_read, partial(_cut, held), batches)
    seconds = {name: taken / len(batches) for name, taken in time_each(works, rounds=5).items()}
    return [
        Comparison(
            work=f"{_BATCH} crops of {_SIDE} x {_SIDE}, {store}",
            ours=seconds[store],
            peer=peer,
            theirs=seconds[peer],
        )
        for store in images
    ]


def sizes(images: dict[str, StoredImages]) -> list[Comparison]:
    """Return what JPEG takes on the disk, and what a process holds that has read all of raw."""
    on_disk = {store: _mebibytes(each) for store, each in images.items()}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        extra = pool.submit(_anonymous, images["raw"].folder).result()
    peer, theirs = "raw", on_disk["raw"]
    disk = Comparison(
        work="JPEG on the disk", ours=on_disk["JPEG"], peer=peer, theirs=theirs, unit="MiB"
    )
    memory = Comparison(
        work="memory of a process's own, when it has read all",
        ours=extra,
        peer="the pixels, in the page cache",
        theirs=theirs,
        unit="MiB",
    )
    return [disk, memory]


def _make(root: Path, names: list[str], limit: int) -> StoredImages:
    # A folder of its own: to remove gigabytes takes time, too.
    folder = Path(tempfile.mkdtemp(dir=root.parent))
    return decoded_images(root, names, folder=folder, stored_size=_STORED, raw_limit=limit)


def _on_all_cores(work: Callable[[str], object], paths: list[str]) -> None:
    threads = os.cpu_count() or 1

    def some(first: int) -> None:
        for path in paths[first::threads]:
            work(path)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, range(threads)))


def _decode(path: str) -> object:
    return decode(path, _STORED)


def _decode_by_pillow(path: str) -> object:
    with Image.open(path) as image:
        size = (round(image.width * _STORED / image.height), _STORED)
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


def _batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    batches = []
    for _ in range(20):
        indices = torch.randint(count, (_BATCH,), generator=generator)
        corners = torch.randint(_STORED - _SIDE, (_BATCH, 2), generator=generator)
        batches.append((indices, torch.cat([corners, torch.full_like(corners, _SIDE)], dim=1)))
    return batches


def _read(crops: Callable[[Tensor, Tensor], Tensor], batches: list[tuple[Tensor, Tensor]]) -> None:
    for indices, boxes in batches:
        crops(indices, boxes)


def _cut(pixels: Tensor, indices: Tensor, boxes: Tensor) -> Tensor:
    array = pixels.numpy()
    crops = np.empty((len(indices), 3, _SIDE, _SIDE), dtype=np.uint8)
    for crop, index, (top, left, height, width) in zip(
        crops, indices.tolist(), boxes.tolist(), strict=True
    ):
        crop[:] = array[index, :, top : top + height, left : left + width]
    return torch.from_numpy(crops)


def _mebibytes(images: StoredImages) -> float:
    return (images.folder / "images.bin").stat().st_size / 2**20


def _anonymous(folder: Path) -> float:
    """Return by how many MiB the memory that no file is behind grows when all images are read."""
    before = resident("RssAnon")
    images = StoredImages(folder)
    boxes = torch.cat([torch.zeros_like(images.shapes), images.shapes], dim=1)
    for part in torch.arange(len(images)).split(_BATCH):
        images.crops(part, boxes[part])
    return resident("RssAnon") - before


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000, metavar="N", help="how many images")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photographs"
        root.mkdir()
        names = write_photographs(root, options.images)
        rows = rates(root, names)
        images = {store: _make(root, names, limit) for store, limit in _LIMITS.items()}
        rows += [*reading(images), *sizes(images)]
    publish("Decoding", rows, file=options.json)


if __name__ == "__main__":
    main()

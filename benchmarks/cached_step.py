"""The training step on images of the decoded cache beside the same step on images in memory.

``python -m benchmarks.cached_step [--json FILE] [--images N] [--folder DIR]`` from the repository
root. The images are photographs made for it (`benchmarks.photographs`), or those of a folder of
class folders, which must all become of one shape. A trial has one thread, as one of ``cpu: 1``,
beside which a second one fetches images of the cache ahead, and its trunk is timm's smallest: a
larger one would hide more.
"""

import csv
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.photographs import HEIGHT, WIDTH, write_photographs
from benchmarks.results import Comparison, arguments, publish, time_each
from objectives import Calibration
from trainer import (
    DataConfig,
    SplitDataset,
    TrainingRun,
    TrialConfig,
    keep_freed_memory,
    load_data,
)
from trainer.data import TensorImages

_STEPS: Final = 10
_PER_CLASS: Final = 20
_BAR: Final = 1.05
_MEMORY: Final = "the same images in memory"
# Gigabytes beyond which the cache holds JPEGs.
_LIMITS: Final = {"raw": 1000.0, "JPEG": 0.0}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is trained on.

    Attributes:
        name: What people call it.
        data: The image files.
        batch_size: Images of a step.
    """

    name: str
    data: DataConfig
    batch_size: int


def photographs(folder: Path, count: int, *, image_size: int = 224, batch_size: int = 32) -> Work:
    """Write photographs to a folder, and a table of them."""
    folder.mkdir()
    names = write_photographs(folder, count)
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        rows.writerows((name, place // _PER_CLASS) for place, name in enumerate(names))
    data = DataConfig(table=folder / "table.csv", image_size=image_size)
    name = f"{count} JPEGs of {WIDTH} x {HEIGHT} at {image_size} px"
    return Work(name=name, data=data, batch_size=batch_size)


def class_folders(folder: Path, *, image_size: int = 64, batch_size: int = 128) -> Work:
    """Take the images of class folders, whole."""
    data = DataConfig(folder=folder, image_size=image_size, stored_size=image_size, crop_share=1.0)
    return Work(name=f"{folder.name} at {image_size} px", data=data, batch_size=batch_size)


def steps(work: Work, cache: Path, *, rounds: int = 5, count: int = _STEPS) -> list[Comparison]:
    """Return a training step on the images of each format beside one on images in memory.

    Each trains on the same images in the same order, and they take turns.
    """
    sources = _sources(work.data, cache)
    runs = {name: _begin(work, data, count) for name, data in sources.items()}
    works: Mapping[str, Callable[[], object]] = {
        name: run._train_epoch for name, run in runs.items()
    }
    seconds = {name: taken / count for name, taken in time_each(works, rounds=rounds).items()}
    return [
        Comparison(
            work=f"training step, {work.name}, B = {work.batch_size}, cached as {store}",
            ours=seconds[store],
            peer=_MEMORY,
            theirs=seconds[_MEMORY],
            bar=_BAR if store == "raw" else None,
        )
        for store in _LIMITS
    ]


def _sources(config: DataConfig, cache: Path) -> dict[str, SplitDataset]:
    """Return the data out of the cache in each format, and with the raw pixels in memory."""
    cached = {
        store: load_data(config.model_copy(update={"raw_limit_gb": limit}), cache=cache)
        for store, limit in _LIMITS.items()
    }
    return cached | {_MEMORY: in_memory(cached["raw"])}


def in_memory(data: SplitDataset) -> SplitDataset:
    """Return the same data with a copy of their pixels in memory.

    Raises:
        SystemExit: The images are not all of one shape.
    """
    images = data.dataset.images
    if len(images.shapes.unique(dim=0)) != 1:
        raise SystemExit("images of unlike shapes cannot be held as one array")
    boxes = torch.cat([torch.zeros_like(images.shapes), images.shapes], dim=1)
    pixels = images.crops(torch.arange(len(images)), boxes)
    return replace(data, dataset=replace(data.dataset, images=TensorImages(pixels=pixels)))


def _begin(work: Work, data: SplitDataset, count: int) -> TrainingRun:
    config = TrialConfig(
        embedding_dim=64,
        batch_size=work.batch_size,
        augmentation="standard",
        horizontal_flip=True,
        epochs=1000,
        steps=1000 * count,
    )
    cpu = torch.device("cpu")
    return TrainingRun(config, data, device=cpu, calibration=Calibration())


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.set_defaults(threads=1)
    parser.add_argument(
        "--images", type=int, default=4000, metavar="N", help="how many photographs"
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="train on these images too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        works = [photographs(Path(folder) / "photographs", options.images)]
        if options.folder is not None:
            works.append(class_folders(options.folder))
        rows = [row for work in works for row in steps(work, Path(folder) / "cache")]
    publish("The training step on decoded images", rows, file=options.json)


if __name__ == "__main__":
    main()

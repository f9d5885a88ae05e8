"""Listing, hashing and splitting of a million images, beside the bars and a bare listing.

``python -m benchmarks.listing [--json FILE] [--count N]`` makes N empty files in class folders, in
a temporary folder that is removed afterwards, and tables of as many rows. Ours is all that comes
before the first image is decoded: the listing, its order, the split of its classes and the
fingerprint. Each figure is from a process of its own, which has the package imported already.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import pandas as pd
import torch
from torchvision.datasets import ImageFolder

from benchmarks.results import Comparison, arguments, peak_memory, publish, time_each
from trainer.data import Dataset, SplitConfig, TensorImages, split_classes
from trainer.data.folder import list_folder
from trainer.data.listing import Listing
from trainer.data.table import list_table

_COUNT: Final = 1_000_000
_PER_CLASS: Final = 50
# For a million images.
_SECONDS: Final = 60.0
_MIB: Final = 2048.0


def rows(count: int) -> Iterator[tuple[str, str]]:
    """Yield the path and the class of each image."""
    for number in range(count):
        label = f"class {number // _PER_CLASS:05d}"
        yield f"{label}/image_{number:07d}.jpg", label


def make(folder: Path, count: int) -> Path:
    """Make the files, and tables of them in a folder beside them."""
    images, tables = folder / "images", folder / "tables"
    tables.mkdir(parents=True)
    for path, label in rows(count):
        if not (images / label).exists():
            (images / label).mkdir(parents=True)
        (images / path).touch()
    frame = pd.DataFrame(rows(count), columns=["path", "label"])
    frame.to_csv(tables / "table.csv", index=False)
    frame.to_parquet(tables / "table.parquet")
    return folder


def before_decoding(read: Callable[[], Listing]) -> str:
    """Return the fingerprint of a listing's split."""
    listing = read()
    nothing = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(len(listing.items), 1, 1, 1)
    dataset = Dataset(
        name="listing",
        items=listing.items,
        labels=listing.labels,
        class_names=listing.class_names,
        images=TensorImages(pixels=nothing),
        image_size=1,
    )
    return split_classes(dataset, SplitConfig(), parts=listing.parts).fingerprint


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the MiB that the work holds at most, and the seconds that it takes once more."""
    held = peak_memory(work, torch.device("cpu"))
    return held, time_each({"work": work}, rounds=1, warm=False)["work"]


def compare(folder: Path, count: int) -> list[Comparison]:
    """Measure ours and others' on the same files."""
    of_table = partial(list_table, path_column="path", label_column="label")
    images, tables = folder / "images", folder / "tables"
    reads: Mapping[str, Callable[[], Listing]] = {
        "class folders": partial(list_folder, images),
        "CSV table": partial(of_table, tables / "table.csv"),
        "Parquet table": partial(of_table, tables / "table.parquet"),
    }
    size, share, found = f"{count:,} images".replace(",", " "), count / _COUNT, []
    for name, read in reads.items():
        held, taken = _apart(partial(before_decoding, read))
        work = f"{size}, {name}"
        found += [
            Comparison(work=work, ours=taken, peer="bar", theirs=_SECONDS * share, bar=1.0),
            Comparison(work=work, ours=held, peer="bar", theirs=_MIB * share, bar=1.0, unit="MiB"),
        ]
    work, peer = f"{size}, class folders", "torchvision's ImageFolder, listing alone"
    theirs = _apart(partial(ImageFolder, images))[1]
    return [*found, Comparison(work=work, ours=found[0].ours, peer=peer, theirs=theirs)]


def _apart(work: Callable[[], object]) -> tuple[float, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, work).result()


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--count", type=int, default=_COUNT, metavar="N", help="images")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(make(Path(folder), chosen.count), chosen.count)
    publish("Listing, hashing and splitting", found, file=chosen.json)


if __name__ == "__main__":
    main()

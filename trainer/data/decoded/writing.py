"""The file side of building a cache: whatever ends the process, whole images remain."""

import os
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainer.data.decoded.encoding import IMAGES, INDEX, RECORD, EncodedImage

__all__ = ["CacheWriter", "share_written"]


class CacheWriter:
    """Appends images to a folder, after those of it that are whole and up to date.

    The records of images are written at checkpoints, when the images themselves are safely on the
    disk. So what a record tells of is there, and what lies beyond the last record is cut off.

    Args:
        folder: The folder, made where it is missing. Nobody else writes to it.
        stamps: N stamps of the files, in the order in which their images will come.

    Raises:
        OSError: The folder cannot be written to.
    """

    def __init__(self, folder: Path, stamps: NDArray[np.uint64]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stamps = stamps
        self._images = (folder / IMAGES).open("ab")
        self._index = FileIO(folder / INDEX, "ab")
        kept = _whole_records(folder, stamps)
        self.count, self._end = len(kept), int(kept["end"][-1]) if len(kept) else 0
        self._waiting: list[tuple[int, int, int, int]] = []
        self._images.truncate(self._end)
        self._index.truncate(kept.nbytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._index.close()
        self._images.close()

    @property
    def bytes_written(self) -> int:
        """Bytes of the images so far."""
        return self._end

    def append(self, image: EncodedImage) -> None:
        """Write the next image."""
        self._images.write(image.content)
        self._end += len(image.content)
        stamp = int(self._stamps[self.count])
        self._waiting.append((self._end, stamp, image.height, image.width))
        self.count += 1

    def checkpoint(self) -> None:
        """Make sure of all images so far."""
        self._images.flush()
        os.fsync(self._images.fileno())
        self._index.write(np.array(self._waiting, dtype=RECORD).tobytes())
        os.fsync(self._index.fileno())
        self._waiting.clear()


def share_written(folder: Path, count: int) -> float:
    """Return the share of ``count`` images that a folder has, 0 where there is no folder."""
    try:
        return min(1.0, (folder / INDEX).stat().st_size / (count * RECORD.itemsize))
    except FileNotFoundError:
        return 0.0


def _whole_records(folder: Path, stamps: NDArray[np.uint64]) -> NDArray[np.void]:
    """Return the records, from the first on, that are of these files and have their images."""
    written = np.fromfile(folder / INDEX, dtype=RECORD)[: len(stamps)]
    good = written["stamp"] == stamps[: len(written)]
    good &= written["end"] <= (folder / IMAGES).stat().st_size
    return written[: len(written) if good.all() else int(good.argmin())]

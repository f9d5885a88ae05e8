"""The files that a cache is made of, and what tells one state of them from another."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer.data.decoded.decoding import stored_pixels, unreadable

__all__ = ["SourceFiles"]

# Files that are looked into: their headers, for the size of the whole set, and some of their bytes.
_SAMPLE: Final = 256
_BYTES: Final = 2**16


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """Image files in the order of a data set.

    Attributes:
        root: The folder that names are relative to.
        names: N paths, relative or absolute.
    """

    root: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def paths(self, start: int = 0) -> Iterator[str]:
        """Yield where the files are, from one of them on."""
        # There may be a million: no Path for each.
        return (os.path.join(self.root, self.names[k]) for k in range(start, len(self)))  # noqa: PTH118

    def stamps(self) -> NDArray[np.uint64]:
        """Return N hashes of the files' names, sizes and times of change.

        Raises:
            objectives.InputError: A file is missing.
        """
        digests = bytearray()
        for name, path in zip(self.names, self.paths(), strict=True):
            try:
                status = os.stat(path)  # noqa: PTH116
            except (OSError, ValueError) as error:  # the latter of a null byte
                raise unreadable(path, error) from error
            state = os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}")
            digests += blake2b(state, digest_size=8).digest()
        return np.frombuffer(digests, dtype="<u8")

    def raw_bytes(self, stored_size: int) -> int:
        """Estimate the bytes of all decoded images from the headers of some."""
        found = [stored_pixels(path, stored_size) for path in self._sample()]
        pixels = [each for each in found if each is not None]
        return round(3 * len(self) * sum(pixels) / len(pixels)) if pixels else 0

    def content(self) -> bytes:
        """Return a hash of the middle of some files.

        It tells apart sets of which all names, sizes and times of change are alike: two versions of
        uncompressed images, say, out of archives that set the times.

        Raises:
            objectives.InputError: A file cannot be read.
        """
        digest = blake2b(digest_size=16)
        for path in self._sample():
            try:
                with open(path, "rb") as file:  # noqa: PTH123
                    file.seek(max(0, os.fstat(file.fileno()).st_size - _BYTES) // 2)
                    digest.update(file.read(_BYTES))
            except OSError as error:
                raise unreadable(path, error) from error
        return digest.digest()

    def _sample(self) -> Iterator[str]:
        step = max(1, len(self) // _SAMPLE)
        return SourceFiles(root=self.root, names=self.names[::step]).paths()

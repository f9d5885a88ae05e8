"""The decoded cache: found by the state of its files, or made by one process for all."""

import errno
import os
import shutil
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from objectives import InputError, Progress, ignore_progress
from trainer.data.decoded.building import append_images
from trainer.data.decoded.encoding import ABOUT, About, Encoding, Format
from trainer.data.decoded.reading import StoredImages
from trainer.data.decoded.source_files import SourceFiles
from trainer.data.decoded.writing import CacheWriter, share_written

__all__ = ["decoded_images"]

# Seconds after which a process that waits for another one tells how far that is.
_POLL: Final = 0.5
# How many times smaller photographs are as JPEG, about.
_JPEG_GAIN: Final = 8
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def decoded_images(
    root: Path,
    files: Sequence[str],
    *,
    folder: Path,
    stored_size: int,
    raw_limit: int,
    progress: Progress = ignore_progress,
) -> StoredImages:
    """Return image files as whole RGB images, from a cache that is made where there is none yet.

    A cache belongs to the names, sizes and times of change of its files, to some of their bytes, to
    ``stored_size`` and to the versions of what decodes. One process makes it, others that ask for
    it wait. Whatever ends that process, the next one goes on from where it was.

    Args:
        root: The folder that ``files`` are relative to.
        files: N image files, relative or absolute.
        folder: Where caches are kept, each in a folder of its own.
        stored_size: The short side in pixels that larger images are reduced to.
        raw_limit: The bytes beyond which images are stored as JPEG, not as raw pixels.
        progress: Gets the share decoded while the cache is made, here or by another process.

    Raises:
        objectives.InputError: A file is missing or cannot be decoded, there is no room for the
            cache, its folder cannot be written to, or the cache is damaged.
    """
    source = SourceFiles(root=root, names=files)
    stamps = source.stamps()
    size = source.raw_bytes(stored_size)
    form = Format.RAW if size <= raw_limit else Format.JPEG
    encoding = Encoding(format=form, stored_size=stored_size)
    place = folder / _hash(stamps.tobytes(), source.content(), str(encoding).encode())
    if not place.is_dir():
        cache = _Unfinished(folder, source, stamps, encoding)
        needed = size if form is Format.RAW else size // _JPEG_GAIN
        try:
            folder.mkdir(parents=True, exist_ok=True)
            cache.finish(place, needed=needed, progress=progress)
        except OSError as error:
            raise _unwritable(folder, error, needed) from error
    return StoredImages(place)


class _Unfinished:
    """A cache that is being made.

    Its folder is named after the root of the files: when some were mended, added or removed, the
    images before the first of those are still good.
    """

    def __init__(
        self, folder: Path, source: SourceFiles, stamps: NDArray[np.uint64], encoding: Encoding
    ) -> None:
        self._source = source
        self._stamps = stamps
        self._encoding = encoding
        root = str(source.root.resolve()).encode(errors="surrogateescape")
        self._folder = folder / f"{_hash(root, str(encoding).encode())}.partial"

    def finish(self, place: Path, *, needed: int, progress: Progress) -> None:
        """Make what is missing, and move the whole to its place; or wait until another has."""
        lock = self._acquired(progress)
        try:
            if not place.is_dir():
                self._fill(needed, progress)
                self._move(place)
        finally:
            lock.release()

    def _acquired(self, progress: Progress) -> FileLock:
        lock = FileLock(self._folder.with_suffix(".lock"))
        while True:
            try:
                lock.acquire(timeout=_POLL)
            except Timeout:
                if share := share_written(self._folder, len(self._source)):
                    progress(share)
            else:
                return lock

    def _fill(self, needed: int, progress: Progress) -> None:
        with CacheWriter(self._folder, self._stamps) as writer:
            free = shutil.disk_usage(self._folder).free
            if needed - writer.bytes_written > free:
                raise OSError(errno.ENOSPC, "No space left on device")
            append_images(writer, self._source, self._encoding, progress)

    def _move(self, place: Path) -> None:
        about = About(
            root=os.fsencode(self._source.root).decode(errors="replace"),
            count=len(self._source),
            format=self._encoding.format,
            stored_size=self._encoding.stored_size,
        )
        text = about.model_dump_json(indent=2) + "\n"
        (self._folder / ABOUT).write_text(text, encoding="utf-8")
        try:
            self._folder.rename(place)
        except OSError:
            # The same files under another root have led there meanwhile.
            if not place.is_dir():
                raise
            shutil.rmtree(self._folder)


def _hash(*parts: bytes) -> str:
    return blake2b(b"\0".join(parts), digest_size=16).hexdigest()


def _unwritable(folder: Path, error: OSError, needed: int) -> InputError:
    if error.errno not in _FULL:
        return InputError(f"cannot be written to ({error.strerror or error})", file=folder)
    free = shutil.disk_usage(folder).free
    return InputError(
        f"the decoded images need about {needed / 1e9:.2g} GB there, and {free / 1e9:.2g} GB are "
        "free",
        file=folder,
    )

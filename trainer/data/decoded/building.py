"""A cache being built: files decoded on all cores, and written in their order."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Final

from objectives import InputError, Progress
from trainer.data.decoded.decoding import decode
from trainer.data.decoded.encoding import EncodedImage, Encoding
from trainer.data.decoded.source_files import SourceFiles
from trainer.data.decoded.writing import CacheWriter

__all__ = ["append_images"]

# Seconds between two checkpoints: what a kill may cost, and how often progress is told.
_PERIOD: Final = 1.0
# Files of a task, for small images take no time; fewer where their pixels would be more than these
# bytes; and tasks that each thread may be ahead.
_FILES: Final = 8
_TASK_BYTES: Final = 2**21
_AHEAD: Final = 3


def append_images(
    writer: CacheWriter, files: SourceFiles, encoding: Encoding, progress: Progress
) -> None:
    """Decode the files that a cache does not have yet, and append them to it.

    Raises:
        objectives.InputError: A file cannot be decoded; the first in order is named. What comes
            before it is kept.
        OSError: The disk is full, or alike.
    """
    due = monotonic() + _PERIOD
    try:
        with closing(_encoded(files.paths(writer.count), encoding)) as images:
            for image in images:
                writer.append(image)
                if monotonic() >= due:
                    writer.checkpoint()
                    progress(writer.count / len(files))
                    due = monotonic() + _PERIOD
    finally:
        writer.checkpoint()
    progress(1.0)


def _encoded(paths: Iterator[str], encoding: Encoding) -> Generator[EncodedImage, None, None]:
    """Yield the images in order, from threads that run a bounded number of files ahead."""

    def work(part: Iterable[str]) -> list[EncodedImage | Exception]:
        return [_attempt(path, encoding) for path in part]

    # Three bytes a pixel, of photographs whose long side is a third longer.
    files = max(1, min(_FILES, _TASK_BYTES // (4 * encoding.stored_size**2)))
    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    ahead: deque[Future[list[EncodedImage | Exception]]] = deque()
    try:
        while True:
            while len(ahead) < threads * _AHEAD and (part := list(islice(paths, files))):
                ahead.append(pool.submit(work, part))
            if not ahead:
                return
            for image in ahead.popleft().result():
                if isinstance(image, Exception):
                    raise image
                yield image
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(path: str, encoding: Encoding) -> EncodedImage | Exception:
    # Returned, not raised: the files before it in its task are whole.
    try:
        return encoding.encoded(decode(path, encoding.stored_size))
    except OSError as error:  # such as of a JPEG of more than 65 500 pixels
        return InputError(f"cannot be stored as {encoding.format} ({error})", file=Path(path))
    except Exception as error:
        return error

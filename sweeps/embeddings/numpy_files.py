"""Readers of ``.npz`` and ``.npy`` files, piece by piece."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from objectives import InputError, Progress
from sweeps.embeddings.labelled import (
    EMBEDDINGS,
    LABELS,
    Columns,
    Embeddings,
    LabelNumbers,
    QueryFlags,
    find_column,
    require_finite,
)

__all__ = ["read_npy_pair", "read_npz"]

_PIECE_BYTES: Final = 1 << 22


@dataclass(frozen=True, kw_only=True)
class _Array:
    """An array that is still in its file, the stream standing where its values begin."""

    stream: IO[bytes]
    where: str
    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype

    def pieces(self) -> Iterator[np.ndarray]:
        """Read pieces of a few MiB: some rows, or some columns where it lies by columns.

        Raises:
            InputError: There is less than the header says.
        """
        first, *others = self.shape[::-1] if self.by_columns else self.shape
        width = math.prod(others) * self.dtype.itemsize
        step = max(1, _PIECE_BYTES // width)
        for start in range(0, first, step):
            wanted = min(step, first - start) * width
            held = self.stream.read(wanted)
            if len(held) < wanted:
                raise InputError(f"{self.where}: the file ends too early")
            yield np.frombuffer(held, self.dtype).reshape(-1, *others)


def read_npz(path: Path, columns: Columns, progress: Progress) -> Embeddings:
    """Read the arrays of an ``.npz`` file, compressed or not.

    Raises:
        InputError: As `read_embeddings`.
    """
    with (
        _refusals(path, "an .npz file of plain arrays"),
        zipfile.ZipFile(path) as archive,
        ExitStack() as members,
    ):
        held = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
        names = [
            find_column(path, held, EMBEDDINGS, columns.embeddings, kind="array"),
            find_column(path, held, LABELS, columns.labels, kind="array"),
        ]
        if columns.queries is not None:
            names.append(find_column(path, held, (), columns.queries, kind="array"))
        arrays = [
            _array(
                members.enter_context(_member(archive, name)),
                archive.getinfo(f"{name}.npy").file_size,
                f"{path}: {name}",
            )
            for name in names
        ]
        return _read(progress, *arrays)


def read_npy_pair(path: Path, labels: Path, progress: Progress) -> Embeddings:
    """Read an ``.npy`` file of embeddings and one of labels.

    Raises:
        InputError: As `read_embeddings`.
    """
    kind = "an .npy file of a plain array"
    with _refusals(path, kind), path.open("rb") as one:
        of_embeddings = _array(one, path.stat().st_size, f"{path}: embeddings")
        with _refusals(labels, kind), labels.open("rb") as two:
            of_labels = _array(two, labels.stat().st_size, f"{labels}: labels")
            return _read(progress, of_embeddings, of_labels)


def _read(
    progress: Progress, embeddings: _Array, labels: _Array, queries: _Array | None = None
) -> Embeddings:
    _check(embeddings, labels)
    numbers = LabelNumbers(labels.shape[0], where=labels.where)
    _put(labels, numbers)
    flags = None if queries is None else _flags(queries, labels.shape)
    matrix = torch.from_numpy(_matrix(embeddings, progress))
    _end(embeddings)
    values, names = numbers.finish()
    return Embeddings(embeddings=matrix, labels=values, class_names=names, queries=flags)


def _flags(array: _Array, shape: tuple[int, ...]) -> Tensor:
    if array.shape != shape:
        raise InputError(f"{array.where} must be {shape[0]}, one for each label, not {array.shape}")
    flags = QueryFlags(shape[0], where=array.where)
    _put(array, flags)
    return flags.finish()


def _put(array: _Array, target: LabelNumbers | QueryFlags) -> None:
    start = 0
    for piece in array.pieces():
        target.put(start, piece)
        start += len(piece)
    _end(array)


def _matrix(array: _Array, progress: Progress) -> np.ndarray:
    matrix = np.empty(array.shape, array.dtype.newbyteorder("="))
    target = matrix.T if array.by_columns else matrix
    start = 0
    for piece in array.pieces():
        end = start + len(piece)
        if array.by_columns:
            require_finite(piece.T, 0, where=array.where)
        else:
            require_finite(piece, start, where=array.where)
        target[start:end] = piece
        start = end
        progress(end / len(target))
    return matrix


def _check(embeddings: _Array, labels: _Array) -> None:
    shape, dtype = embeddings.shape, embeddings.dtype
    if len(shape) != 2 or dtype.kind != "f" or dtype.itemsize > 8:
        # numpy has no bfloat16: what other libraries save of it are two bytes of no type.
        hint = "; save bfloat16 as float32" if dtype.kind == "V" and dtype.itemsize == 2 else ""
        raise InputError(
            f"{embeddings.where} must be an N x D array of floats, not {shape} of {dtype}{hint}"
        )
    if min(shape) < 1:
        raise InputError(f"{embeddings.where} must not be empty, but are {shape}")
    if labels.shape != shape[:1]:
        raise InputError(
            f"{labels.where} must be {shape[0]}, one for each embedding, not {labels.shape}"
        )
    if labels.dtype.itemsize == 0:
        raise InputError(f"{labels.where} must be integers or texts, not all empty")


def _array(stream: IO[bytes], size: int, where: str) -> _Array:
    """Read the header of an array that fills `size` bytes of the stream, itself included."""
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = read(stream)
    if dtype.hasobject:
        raise InputError(f"{where} are Python objects; save texts with .astype(str)")
    if math.prod(shape) * dtype.itemsize > size - stream.tell():
        raise InputError(f"{where}: the file ends too early")
    return _Array(stream=stream, where=where, shape=shape, by_columns=by_columns, dtype=dtype)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(f"{name}.npy")
    except RuntimeError as error:  # encrypted, or compressed in a way that is not known here
        raise InputError(f"{archive.filename}: {name} cannot be read ({error})") from None


def _end(array: _Array) -> None:
    """Read to the end of a zip file's member, where its checksum is compared."""
    if isinstance(array.stream, zipfile.ZipExtFile):
        array.stream.read(1)


@contextmanager
def _refusals(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from None
    except MemoryError as error:
        raise InputError(f"does not fit in memory ({error})", file=path) from None
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"is not {kind}", file=path) from None

"""Reader of Parquet files, batch by batch."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import torch
from pyarrow import types

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

__all__ = ["read_parquet"]

_BATCH_ROWS: Final = 2048
_PAGE_BUFFER_BYTES: Final = 1 << 20


def read_parquet(path: Path, columns: Columns, progress: Progress) -> Embeddings:
    """Read a column of lists of floats, all of one length, one of labels, and one of queries.

    Raises:
        InputError: As `read_embeddings`.
    """
    try:
        # Opened here, so that what the system says is plain. Not buffered ahead: that would hold
        # a row group, which may be the whole file, a second time.
        with (
            path.open("rb") as stream,
            parquet.ParquetFile(stream, buffer_size=_PAGE_BUFFER_BYTES, pre_buffer=False) as file,
        ):
            return _read(file, path, columns, progress)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from None
    except MemoryError as error:
        raise InputError(f"does not fit in memory ({error})", file=path) from None
    except pyarrow.ArrowException as error:
        if "Expected all lists to be of size" in str(error):  # pyarrow's word for a null among them
            raise InputError(f"a list of embeddings is null ({error})", file=path) from None
        raise InputError(f"cannot be read as Parquet ({error})", file=path) from None


def _read(file: Any, path: Path, columns: Columns, progress: Progress) -> Embeddings:
    schema, rows = file.schema_arrow, file.metadata.num_rows
    first = find_column(path, schema.names, EMBEDDINGS, columns.embeddings, kind="column")
    second = find_column(path, schema.names, LABELS, columns.labels, kind="column")
    third = _query_column(path, schema, columns)
    floats = _floats(schema.field(first).type, f"{path}: {first}")
    _check_labels(schema.field(second).type, f"{path}: {second}")
    if rows == 0:
        raise InputError("there are no rows", file=path)
    matrix: np.ndarray | None = None
    numbers = LabelNumbers(rows, where=f"{path}: {second}")
    flags = QueryFlags(rows, where=f"{path}: {third}") if third else None
    wanted = [first, second, third] if third else [first, second]
    start = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
        values = _lists(batch.column(first), start, matrix, where=f"{path}: {first}")
        numbers.put(start, _values(batch.column(second), start, where=f"{path}: {second}"))
        if flags:
            flags.put(start, _values(batch.column(third), start, where=f"{path}: {third}"))
        if matrix is None:
            matrix = np.empty((rows, values.shape[1]), floats)
        matrix[start : start + len(values)] = values
        start += len(values)
        progress(start / rows)
    labels, names = numbers.finish()
    return Embeddings(
        embeddings=torch.from_numpy(matrix),
        labels=labels,
        class_names=names,
        queries=flags.finish() if flags else None,
    )


def _query_column(path: Path, schema: Any, columns: Columns) -> str | None:
    if columns.queries is None:
        return None
    name = find_column(path, schema.names, (), columns.queries, kind="column")
    kind = schema.field(name).type
    if not (types.is_boolean(kind) or types.is_integer(kind)):
        raise InputError(f"{path}: {name} must be truth values or 0 and 1, not {kind}")
    return name


def _floats(kind: Any, where: str) -> np.dtype:
    """Return numpy's type of the floats in a column of lists."""
    storage = kind.storage_type if isinstance(kind, pyarrow.BaseExtensionType) else kind
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    if not (any(of(storage) for of in lists) and types.is_floating(storage.value_type)):
        raise InputError(f"{where} must be lists of floats, not {kind}")
    floats: np.dtype = np.dtype(storage.value_type.to_pandas_dtype())
    return floats


def _lists(column: Any, start: int, matrix: np.ndarray | None, *, where: str) -> np.ndarray:
    """Return a batch of lists as rows, of the same length as those before."""
    if isinstance(column, pyarrow.ExtensionArray):
        column = column.storage
    _refuse_nulls(column, start, where=where)
    lengths = np.asarray(column.value_lengths())
    length = int(lengths[0]) if matrix is None else matrix.shape[1]
    if length == 0:
        raise InputError(f"{where}: row {start} is an empty list")
    if (lengths != length).any():
        row = int(np.argmax(lengths != length))
        raise InputError(
            f"{where}: row {start + row} has {lengths[row]} values, those before have {length}"
        )
    flat = column.flatten()
    if flat.null_count:
        row = start + int(np.argmax(flat.is_null())) // length
        raise InputError(f"{where}: row {row} holds a null")
    values = np.asarray(flat).reshape(-1, length)
    require_finite(values, start, where=where)
    return values


def _check_labels(kind: Any, where: str) -> None:
    held = kind.value_type if types.is_dictionary(kind) else kind
    allowed = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
    )
    if not any(of(held) for of in allowed):
        raise InputError(f"{where} must be integers or texts, not {kind}")


def _values(column: Any, start: int, *, where: str) -> np.ndarray:
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    _refuse_nulls(column, start, where=where)
    values: np.ndarray = column.to_numpy(zero_copy_only=False)
    return values


def _refuse_nulls(column: Any, start: int, *, where: str) -> None:
    if column.null_count:
        row = start + int(np.argmax(column.is_null()))
        raise InputError(f"{where}: row {row} is null")

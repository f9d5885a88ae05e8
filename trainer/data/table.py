"""Listing of a CSV or Parquet table."""

import csv
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.parquet as parquet
from pyarrow import types

from objectives import InputError
from trainer.data.listing import Listing
from trainer.data.split_names import SPLITS, Split

__all__ = ["list_table"]

_BINARY: Final = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
_SPLITS: Final[dict[str, Split]] = {split: split for split in SPLITS}


def list_table(
    table: Path,
    *,
    path_column: str,
    label_column: str,
    split_column: str | None = None,
    root: Path | None = None,
) -> Listing:
    """List the images that a CSV (UTF-8) or Parquet table names.

    Messages count the rows from 1, without the header. Links are followed, wherever they lead.

    Args:
        table: The table.
        path_column: Its column of image paths.
        label_column: Its column of class names.
        split_column: Its column of splits; None: it has none.
        root: The folder that relative paths start at, and that all of them stay below; the table's
            if None.

    Raises:
        InputError: The table is missing or unreadable, lacks a column, has no rows, has a row
            without a path, a label or a split, names a file twice or one that is not below the
            root, or puts a class into two splits.
    """
    rows = _rows(table, [path_column, label_column, *([split_column] if split_column else [])])
    places, parts = _Places(table, root or table.parent), _Parts(table)
    files, items, labels = list[str](), list[str](), list[str]()
    for number, (path, label, *split) in enumerate(rows, start=1):
        file, item = places.add(path, number)
        # Interned: one text for each class, and not for each row.
        name = sys.intern(unicodedata.normalize("NFC", label))
        if split:
            parts.add(name, split[0], number)
        files.append(file)
        items.append(item)
        labels.append(name)
    if not files:
        raise InputError(f"{table} has no rows", field="data.table")
    return Listing.ordered(
        places.root,
        files=files,
        items=items,
        labels=labels,
        parts=parts.of_class if split_column else None,
    )


class _Places:
    """Places of the files that the rows of a table name, each once."""

    def __init__(self, table: Path, root: Path) -> None:
        self._table = table
        # Else an image that is named by a relative and by an absolute path would seem to be two.
        self._base = os.path.abspath(root)
        self.root = Path(self._base)
        self._prefix = os.path.join(self._base, "")
        self._rows: dict[str, int] = {}

    def add(self, path: str, number: int) -> tuple[str, str]:
        """Return the file, relative to the root, and the item of a row."""
        location = os.path.normpath(os.path.join(self._base, path))
        if not location.startswith(self._prefix):
            raise InputError(
                f"row {number} of {self._table} names {path}, which is not below {self._base}; "
                "data.root sets another folder to start at",
                field="data.table",
            )
        below = location[len(self._prefix) :]
        # Some file systems decompose accented letters, and others do not.
        item = unicodedata.normalize("NFC", below.replace(os.sep, "/"))
        if self._rows.setdefault(item, number) != number:
            raise InputError(
                f"rows {self._rows[item]} and {number} of {self._table} both name {path}",
                field="data.table",
            )
        return below, item


class _Parts:
    """Splits of the classes, as the rows of a table have them."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self.of_class: dict[str, Split] = {}
        self._rows: dict[str, int] = {}

    def add(self, name: str, text: str, number: int) -> None:
        """Take the split of a row's class."""
        split = _SPLITS.get(text)
        if split is None:
            raise InputError(
                f"row {number} of {self._table} has {text!r}, not {' or '.join(SPLITS)}",
                field="data.split_column",
            )
        first, row = self.of_class.setdefault(name, split), self._rows.setdefault(name, number)
        if first != split:
            raise InputError(
                f"row {row} of {self._table} puts class {name!r} into {first} and row {number} "
                f"into {split}, but splits share no class",
                field="data.split_column",
            )


def _rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the texts of the columns, none of them empty."""
    if not table.is_file():
        raise InputError(f"there is no file {table}", field="data.table")
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    if table.suffix.lower() not in readers:
        raise InputError(f"{table} must end in {' or '.join(readers)}", field="data.table")
    for number, row in enumerate(readers[table.suffix.lower()](table, columns), start=1):
        if not all(row):
            column = columns[row.index("")]
            raise InputError(f"row {number} of {table} has an empty {column!r}", field="data.table")
        yield row


def _csv_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(table, reader.fieldnames or (), columns)
            for number, row in enumerate(reader, start=1):
                if None in row:
                    raise InputError(
                        f"row {number} of {table} has more fields than the header",
                        field="data.table",
                    )
                yield tuple((row[column] or "").strip() for column in columns)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read as CSV ({error})", field="data.table") from error


def _parquet_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    try:
        schema = parquet.read_schema(table)
        _check_columns(table, schema.names, columns)
        _check_types(table, schema, columns)
        frame = parquet.read_table(table, columns=list(columns))
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            f"{table} cannot be read as Parquet ({error})", field="data.table"
        ) from error
    for row in zip(*(frame.column(column).to_pylist() for column in columns), strict=True):
        yield tuple(map(_text, row))


def _check_types(table: Path, schema: pyarrow.Schema, columns: Sequence[str]) -> None:
    for column in columns:
        kind = schema.field(column).type
        if types.is_nested(kind) or any(of(kind) for of in _BINARY):
            raise InputError(
                f"the column {column!r} of {table} must be texts or numbers, not {kind}",
                field="data.table",
            )


def _text(value: object) -> str:
    """Return a cell as text, an empty one for null and NaN."""
    return "" if value is None or value != value else str(value).strip()


def _check_columns(table: Path, present: Iterable[str], columns: Sequence[str]) -> None:
    names = list(present)
    for column in columns:
        if column not in names:
            raise InputError(
                f"{table} has no column {column!r}, only {', '.join(names) or 'none'}",
                field="data.table",
            )
        if names.count(column) > 1:
            raise InputError(f"{table} has several columns {column!r}", field="data.table")

"""Lists of image files and their labels: folders of class folders, and tables."""

import csv
import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.parquet as parquet

from objectives import InputError

__all__ = ["IMAGE_SUFFIXES", "LabelledFile", "list_folder", "list_table"]

IMAGE_SUFFIXES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


@dataclass(frozen=True, kw_only=True)
class LabelledFile:
    """One image file.

    Attributes:
        item: Its path relative to the folder or the table, with forward slashes.
        path: Its place.
        label: Name of its class.
    """

    item: str
    path: Path
    label: str


def list_folder(folder: Path) -> list[LabelledFile]:
    """List the images below each class folder, in the order of their items.

    Hidden files and files without an image's suffix (`IMAGE_SUFFIXES`) are left out.

    Raises:
        InputError: It is no folder, has no class folders, has images beside them, or a class
            folder has no images.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", field="data.folder")
    loose = sorted(path.name for path in folder.iterdir() if _is_image(path))
    if loose:
        raise InputError(
            f"{loose[0]} lies in {folder} itself, not in a class folder", field="data.folder"
        )
    classes = [path for path in folder.iterdir() if path.is_dir() and not _hidden(path)]
    if not classes:
        raise InputError(f"{folder} has no class folders", field="data.folder")
    return _ordered(file for path in sorted(classes) for file in _list_class(path))


def _list_class(folder: Path) -> list[LabelledFile]:
    label = unicodedata.normalize("NFC", folder.name)
    files = [
        LabelledFile(item=_item(path, folder.parent), path=path, label=label)
        for path in folder.rglob("*")
        if _is_image(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise InputError(f"the class folder {folder} has no images", field="data.folder")
    return files


def list_table(table: Path, *, path_column: str, label_column: str) -> list[LabelledFile]:
    """List the images that a CSV (UTF-8) or Parquet table names, in the order of their items.

    Messages count the rows from 1, without the header.

    Raises:
        InputError: The table is missing or unreadable, lacks a column, has no rows, has a row
            without a path or a label, or names a file twice.
    """
    if not table.is_file():
        raise InputError(f"there is no file {table}", field="data.table")
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows}
    if table.suffix.lower() not in readers:
        raise InputError(f"{table} must end in {' or '.join(readers)}", field="data.table")
    rows = readers[table.suffix.lower()](table, (path_column, label_column))
    base = Path(os.path.normpath(table.parent))
    files, seen = [], dict[str, int]()
    for number, (path, label) in enumerate(rows, start=1):
        for column, value in ((path_column, path), (label_column, label)):
            if not value:
                raise InputError(
                    f"row {number} of {table} has an empty {column!r}", field="data.table"
                )
        location = Path(os.path.normpath(base / path))
        item = _item(location, base)
        if seen.setdefault(item, number) != number:
            raise InputError(
                f"rows {seen[item]} and {number} of {table} both name {path}",
                field="data.table",
            )
        name = unicodedata.normalize("NFC", label)
        files.append(LabelledFile(item=item, path=location, label=name))
    if not files:
        raise InputError(f"{table} has no rows", field="data.table")
    return _ordered(files)


def _csv_rows(table: Path, columns: tuple[str, str]) -> Iterator[tuple[str, str]]:
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
                first, second = ((row[column] or "").strip() for column in columns)
                yield first, second
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read as CSV ({error})", field="data.table") from error


def _parquet_rows(table: Path, columns: tuple[str, str]) -> Iterator[tuple[str, str]]:
    try:
        _check_columns(table, parquet.read_schema(table).names, columns)
        frame = parquet.read_table(table, columns=list(columns))
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            f"{table} cannot be read as Parquet ({error})", field="data.table"
        ) from error
    paths, labels = (frame.column(column).to_pylist() for column in columns)
    for path, label in zip(paths, labels, strict=True):
        yield _text(path), _text(label)


def _text(value: object) -> str:
    """Return a cell as text, an empty one for null and NaN."""
    return "" if value is None or value != value else str(value).strip()


def _check_columns(table: Path, present: Iterable[str], columns: tuple[str, str]) -> None:
    names = list(present)
    for column in columns:
        if column not in names:
            raise InputError(
                f"{table} has no column {column!r}, only {', '.join(names) or 'none'}",
                field="data.table",
            )


def _ordered(files: Iterable[LabelledFile]) -> list[LabelledFile]:
    return sorted(files, key=lambda file: file.item)


def _item(path: Path, base: Path) -> str:
    """Return the path below ``base``, or as it is where it lies elsewhere."""
    relative = path.relative_to(base) if path.is_relative_to(base) else path
    # Some file systems decompose accented letters, and others do not.
    return unicodedata.normalize("NFC", relative.as_posix())


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not _hidden(path) and path.is_file()

"""Labelled embeddings: the result of every reader, and the parts that the readers share."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from objectives import InputError

__all__ = [
    "EMBEDDINGS",
    "LABELS",
    "Columns",
    "Embeddings",
    "LabelNumbers",
    "QueryFlags",
    "find_column",
    "require_finite",
]

# Column (or array) -> what it may be called where the user does not say.
EMBEDDINGS: Final = ("embeddings", "embedding")
LABELS: Final = ("labels", "label")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of the columns of a Parquet file, or arrays of an ``.npz`` file, to read.

    Attributes:
        embeddings: Name of the column of embeddings; None for one of the usual names.
        labels: The same of the labels.
        queries: Name of the column that says which samples are queries; None: not read.
    """

    embeddings: str | None = None
    labels: str | None = None
    queries: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """Embeddings and the classes they are of.

    Attributes:
        embeddings: N x D floats, of the file's own precision.
        labels: N int64.
        class_names: Name of each label from 0 on, ascending, where the file's labels are no
            integers; else None.
        queries: N bool; the others are the gallery. None where each sample is both.
    """

    embeddings: Tensor
    labels: Tensor
    class_names: tuple[str, ...] | None
    queries: Tensor | None = None

    def class_name(self, label: int) -> str:
        """Return the label as the file has it."""
        return str(label) if self.class_names is None else self.class_names[label]


class LabelNumbers:
    """Takes labels piece by piece; integers stay as they are, all others are numbered.

    Args:
        count: Number of labels to come.
        where: What to call them in a refusal: file and column.
    """

    def __init__(self, count: int, *, where: str) -> None:
        self._numbers = np.empty(count, dtype=np.int64)
        self._where = where
        self._seen: dict[Any, int] = {}

    def put(self, start: int, values: np.ndarray) -> None:
        """Take the labels of the rows from `start` on.

        Raises:
            InputError: They are neither integers nor texts, numbers or truth values.
        """
        here = slice(start, start + len(values))
        if values.dtype.kind in "iu" and values.dtype.newbyteorder("=") != np.uint64:
            self._numbers[here] = values
            return
        # Beyond int64 a label can only be a name, so 64-bit unsigned ones all are.
        if values.dtype.kind not in "ubfSUO":
            raise InputError(f"{self._where} must be integers or texts, not {values.dtype.name}")
        if values.dtype.kind == "f" and np.isnan(values).any():
            row = start + int(np.argmax(np.isnan(values)))
            raise InputError(f"{self._where}: row {row} holds NaN")
        distinct, inverse = np.unique(values, return_inverse=True)
        codes = [self._seen.setdefault(value, len(self._seen)) for value in distinct.tolist()]
        self._numbers[here] = np.array(codes, dtype=np.int64)[inverse]

    def finish(self) -> tuple[Tensor, tuple[str, ...] | None]:
        """Return the labels, N int64, and the classes' names in their order, if any."""
        if not self._seen:
            return torch.from_numpy(self._numbers), None
        names = sorted(self._seen)
        ranks = np.empty(len(names), dtype=np.int64)
        ranks[[self._seen[name] for name in names]] = np.arange(len(names))
        return torch.from_numpy(ranks[self._numbers]), tuple(map(_text, names))


class QueryFlags:
    """Takes piece by piece which samples are queries.

    Args:
        count: Number of samples to come.
        where: What to call them in a refusal: file and column.
    """

    def __init__(self, count: int, *, where: str) -> None:
        self._flags = np.empty(count, dtype=np.bool_)
        self._where = where

    def put(self, start: int, values: np.ndarray) -> None:
        """Take those of the rows from `start` on.

        Raises:
            InputError: They are neither truth values nor 0 and 1.
        """
        if values.dtype.kind not in "biu":
            raise InputError(
                f"{self._where} must be truth values or 0 and 1, not {values.dtype.name}"
            )
        bad = (values != 0) & (values != 1)
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{self._where}: row {start + row} holds {values[row]}, which is neither 0 nor 1"
            )
        self._flags[start : start + len(values)] = values != 0

    def finish(self) -> Tensor:
        """Return N bool."""
        return torch.from_numpy(self._flags)


def find_column(
    path: Path, held: Iterable[str], usual: tuple[str, ...], given: str | None, *, kind: str
) -> str:
    """Return the column (or array) that was asked for, or the one of a usual name.

    Raises:
        InputError: There is none, or more than one.
    """
    held = list(held)
    found = [name for name in (usual if given is None else [given]) if name in held]
    if len(found) > 1:
        raise InputError(
            f"{path}: there are both {' and '.join(map(repr, found))}; "
            f"say which with {usual[1]}_column",
            field=[f"{usual[1]}_column"],
        )
    if not found:
        wanted = " or ".join(map(repr, usual)) if given is None else repr(given)
        raise InputError(
            f"there is no {kind} {wanted}; it holds {', '.join(held) or 'none'}", file=path
        )
    return found[0]


def require_finite(values: np.ndarray, start: int, *, where: str) -> None:
    """Refuse NaN and infinity in the rows from `start` on.

    Raises:
        InputError: A row holds one.
    """
    finite = np.isfinite(values)
    if not finite.all():
        row = start + int(np.argmin(finite.all(axis=1)))
        raise InputError(f"{where}: row {row} holds NaN or infinity")


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)

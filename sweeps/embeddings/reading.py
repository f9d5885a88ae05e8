"""Reader of embeddings from a file, by its suffix."""

from pathlib import Path
from typing import Final

from objectives import InputError, Progress, ignore_progress
from sweeps.embeddings.labelled import Columns, Embeddings
from sweeps.embeddings.numpy_files import read_npy_pair, read_npz

__all__ = ["SUFFIXES", "read_embeddings"]

SUFFIXES: Final = (".npz", ".npy", ".parquet")


def read_embeddings(
    path: Path,
    labels: Path | None = None,
    *,
    embedding_column: str | None = None,
    label_column: str | None = None,
    query_column: str | None = None,
    progress: Progress = ignore_progress,
) -> Embeddings:
    """Read embeddings and labels, piece by piece into the one array that is returned.

    Args:
        path: An ``.npz`` file with the arrays ``embeddings`` (N x D floats) and ``labels`` (N),
            an ``.npy`` file of embeddings, or a ``.parquet`` file with a column ``embedding`` of
            lists of floats and a column ``label``.
        labels: An ``.npy`` file of N labels; with embeddings in ``.npy``, and only there.
        embedding_column: Another name of the column (or array) of embeddings.
        label_column: Another name of the column (or array) of labels.
        query_column: Name of a column (or array) that says which samples are queries (true, or 1),
            and which are the gallery; None: each is compared with all others.
        progress: Is told the share that has been read.

    Raises:
        InputError: A file cannot be read, or does not hold what it should; the message names the
            file, and the column and row where it can.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            "embeddings are read from .npz files, pairs of .npy files and .parquet files", file=path
        )
    if suffix == ".npy":
        columns = {
            "embedding_column": embedding_column,
            "label_column": label_column,
            "query_column": query_column,
        }
        for field, name in columns.items():
            if name is not None:
                raise InputError(f"{path} has no columns to choose from", field=field)
        if labels is None:
            raise InputError("a second .npy file, of the labels, must follow", file=path)
        return read_npy_pair(path, labels, progress)
    if labels is not None:
        raise InputError(f"{path.name} has the labels too, so no second file is read", file=labels)
    named = Columns(embeddings=embedding_column, labels=label_column, queries=query_column)
    if suffix == ".npz":
        return read_npz(path, named, progress)
    from sweeps.embeddings.parquet_files import read_parquet  # pyarrow is slow to import

    return read_parquet(path, named, progress)

"""Reading embeddings that some other program wrote."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from objectives import InputError

__all__ = ["read_embeddings"]


def read_embeddings(path: Path) -> tuple[Tensor, Tensor]:
    """Read an ``.npz`` file with the arrays ``embeddings`` and ``labels``.

    Returns:
        Embeddings, N x D floats, and labels, N int64; labels of any other type are numbered.

    Raises:
        InputError: The file cannot be read, an array is missing, or the shapes do not fit.
    """
    embeddings, labels = _arrays(path)
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f" or embeddings.itemsize > 8:
        raise InputError(
            f"{path}: embeddings must be an N x D array of floats, not "
            f"{embeddings.shape} of {embeddings.dtype}"
        )
    if labels.shape != embeddings.shape[:1]:
        raise InputError(
            f"{path}: labels must be {len(embeddings)}, one for each embedding, not {labels.shape}"
        )
    if not np.isfinite(embeddings).all():
        row = int(np.argmin(np.isfinite(embeddings).all(1)))
        raise InputError(f"{path}: embeddings: row {row} holds NaN or infinity")
    numbers = labels if labels.dtype.kind in "iu" else np.unique(labels, return_inverse=True)[1]
    native = embeddings.astype(embeddings.dtype.newbyteorder("="))
    return torch.from_numpy(native), torch.from_numpy(numbers.astype(np.int64))


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        # Opened here, for numpy leaves a file open that it cannot read.
        with path.open("rb") as stream, np.load(stream) as file:
            missing = [name for name in ("embeddings", "labels") if name not in file]
            if missing:
                held = ", ".join(file) or "none"
                raise InputError(f"{path}: there is no array {missing[0]!r}; it holds {held}")
            return file["embeddings"], file["labels"]
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{path}: holds Python objects; save labels as texts with .astype(str)"
            ) from None
        raise InputError(f"{path}: is not an .npz file of plain arrays") from None
    except (TypeError, AttributeError, zipfile.BadZipFile, EOFError):
        raise InputError(f"{path}: is not an .npz file of plain arrays") from None

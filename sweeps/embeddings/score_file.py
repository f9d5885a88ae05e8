"""Score of an embeddings file, and the table of its classes."""

import csv
import io
from pathlib import Path
from typing import Any

import torch

from objectives import Calibration, InputError, Progress, Score, ignore_progress, score_embeddings
from sweeps.embeddings.labelled import Embeddings

__all__ = ["device_of", "per_class_csv", "score_read"]


def device_of(name: str | None) -> torch.device:
    """Return the device of that name; where none is given, CUDA if there is one.

    Raises:
        InputError: There is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(f"this machine has no {name!r}", field="device") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"{name!r} is neither cpu nor cuda", field="device")
    return device


def score_read(
    read: Embeddings,
    calibration: Calibration,
    *,
    file: Path,
    device: torch.device,
    progress: Progress = ignore_progress,
) -> Score:
    """Score embeddings that were read from a file, on a device.

    Raises:
        InputError: They cannot be scored; the message names the file.
    """
    try:
        embeddings = read.embeddings.to(device)
        return score_embeddings(
            embeddings, read.labels, calibration, queries=read.queries, progress=progress
        )
    except InputError as error:
        raise InputError(str(error), file=file) from None


def per_class_csv(score: Score, read: Embeddings) -> str:
    """Write a row for each class of two samples or more, in the order of the labels.

    Values have all their digits; FAR and FRR are those at the operating threshold.
    """
    columns: dict[str, list[Any]] = {
        name: column.tolist() for name, column in score.per_class().items()
    }
    columns["label"] = [read.class_name(label) for label in columns["label"]]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()

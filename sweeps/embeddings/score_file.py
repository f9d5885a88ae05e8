"""What ``sweeps score`` does: read embeddings, score them, and write what was asked for.

Slow to import, for torch: import it where it is needed.
"""

import csv
import io
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from objectives import Calibration, InputError, Score, bootstrap_intervals, score_embeddings
from sweeps.embeddings import Embeddings, read_embeddings
from sweeps.files import check_output, write_whole
from sweeps.tables import metrics_table
from sweeps.terminal import ERR, OUT, print_json, print_line, shown

__all__ = [
    "Outputs",
    "Source",
    "calibration_of",
    "device_of",
    "per_class_csv",
    "score_source",
    "show_score",
]

_RECALLS: Final = (1, 2, 4, 8)
_PLOTS: Final = (".png", ".svg", ".pdf")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where embeddings are read from.

    Attributes:
        path: The file of embeddings.
        labels: The file of labels, where it is another.
        embedding_column: Name of the column of embeddings, where it is not the usual one.
        label_column: The same of the labels.
    """

    path: Path
    labels: Path | None = None
    embedding_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a score is written to.

    Attributes:
        per_class: The file of the classes' figures.
        plot: The file of their curves.
        as_json: Whether to print JSON and nothing else.
    """

    per_class: Path | None = None
    plot: Path | None = None
    as_json: bool = False


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
        raise InputError(f"--device: this machine has no {name!r}") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"--device: {name!r} is neither cpu nor cuda")
    return device


def calibration_of(**values: Any) -> Calibration:
    """Return the calibration that the options describe.

    Raises:
        InputError: A value is out of its range; the message names the options.
    """
    try:
        return Calibration(**values)
    except InputError as error:
        names = "|".join(values)
        said = re.sub(rf"\b({names})\b", lambda found: _option(found[1]), str(error))
        raise InputError(said) from None


def score_source(
    source: Source,
    calibration: Calibration,
    device: torch.device,
    outputs: Outputs,
) -> None:
    """Score embeddings, show the metrics, and write the files that are asked for.

    Raises:
        InputError: The embeddings cannot be scored, or a file cannot be written.
    """
    per_class, plot = outputs.per_class, outputs.plot
    files = _files(per_class=per_class, plot=plot)
    with _progress("reading") as progress:
        read = read_embeddings(
            source.path,
            source.labels,
            embedding_column=source.embedding_column,
            label_column=source.label_column,
            progress=progress,
        )
    try:
        with _progress("scoring") as progress:
            embeddings = read.embeddings.to(device)
            score = score_embeddings(embeddings, read.labels, calibration, progress=progress)
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from None
    contents = {}
    if per_class is not None:
        contents["--per-class"] = per_class_csv(score, read).encode()
    if plot is not None:
        from sweeps.plots.utility import utility_plot  # matplotlib is slow to import

        contents["--plot"] = utility_plot(
            score, title=source.path.name, file_format=plot.suffix[1:].lower()
        )
    for option, content in contents.items():
        _write(files[option], content, option)
    show_score(score, read, as_json=outputs.as_json)
    if not outputs.as_json:
        for file in files.values():
            print_line(f"{file.suffix[1:]:>5}  {shown(file)}")


def show_score(score: Score, read: Embeddings, *, as_json: bool) -> None:
    """Print the metrics, their intervals, and how much they were measured on."""
    metrics = {f"recall_at_{k}": score.recall_at(k) for k in _RECALLS} | score.metrics()
    if any(map(math.isnan, metrics.values())):
        ERR.print(
            "note: what is nan needs two classes or more, and two samples or more of one class"
        )
    intervals = bootstrap_intervals(score)
    samples, single = len(read.labels), score.singletons
    classes = len(score.classes) + single
    if as_json:
        counts = {"samples": samples, "classes": classes, "single_sample_classes": single}
        print_json(metrics | counts | {"intervals": intervals})
        return
    OUT.print(metrics_table(metrics, intervals))
    left_out = f" ({single} with one sample only, a miss in Recall@k)" if single else ""
    print_line(
        f"{samples} samples of {classes} classes{left_out}; intervals: bootstrap over classes"
    )


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


def _files(*, per_class: Path | None, plot: Path | None) -> dict[str, Path]:
    """Return the files to write by option, and refuse now what would fail after the work."""
    if per_class is not None and per_class.suffix.lower() != ".csv":
        raise InputError(f"--per-class: {per_class} must end in .csv")
    if plot is not None and plot.suffix.lower() not in _PLOTS:
        raise InputError(f"--plot: {plot} must end in one of {', '.join(_PLOTS)}")
    asked = {"--per-class": per_class, "--plot": plot}
    files = {option: file for option, file in asked.items() if file is not None}
    for option, file in files.items():
        check_output(file, option=option)
    return files


def _write(file: Path, content: bytes, option: str) -> None:
    try:
        write_whole(file, content)
    except OSError as error:
        raise InputError(f"{option}: {file} cannot be written ({error.strerror})") from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on the other stream while the work lasts, if people are looking at it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        # Not the console's own idea of a terminal, which the environment can force.
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"

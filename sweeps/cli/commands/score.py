"""Command ``sweeps score``."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sweeps.cli.options import (
    DeviceOption,
    DMaxOption,
    DMinOption,
    EmbeddingColumnOption,
    EmbeddingsArgument,
    FarMaxOption,
    FarMinOption,
    JsonOption,
    LabelColumnOption,
    LabelsArgument,
    MinSamplesOption,
    OperatingFarOption,
    PerClassOption,
    PlotOption,
    QueryColumnOption,
    ThresholdsOption,
)
from sweeps.cli.terminal import ERR, OUT, print_json, print_line, shown

if TYPE_CHECKING:
    from objectives import Score  # imports torch
    from sweeps.embeddings import Embeddings

__all__ = ["score"]

_RECALLS: Final = (1, 2, 4, 8)
_PLOTS: Final = (".png", ".svg", ".pdf")


def score(
    embeddings: EmbeddingsArgument,
    labels: LabelsArgument = None,
    far_min: FarMinOption = 0.01,
    far_max: FarMaxOption = 0.10,
    d_min: DMinOption = None,
    d_max: DMaxOption = None,
    thresholds: ThresholdsOption = 101,
    operating_far: OperatingFarOption = 0.05,
    min_samples_per_class: MinSamplesOption = 4,
    embedding_column: EmbeddingColumnOption = None,
    label_column: LabelColumnOption = None,
    query_column: QueryColumnOption = None,
    device: DeviceOption = None,
    per_class: PerClassOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score any embeddings: Recall@1, MAP@R, OPIS and 10%-OPIS, with 95 % intervals.

    Beside OPIS stand its noise floor, which is what so few samples a class make of it, and OPIS
    less that.

    Embeddings come from an .npz file, from an .npy file and one of labels, or from Parquet.
    """
    from objectives import Calibration
    from sweeps.embeddings import device_of, per_class_csv, read_embeddings, score_read
    from sweeps.files import write_output

    calibration = Calibration(
        far_min=far_min,
        far_max=far_max,
        d_min=d_min,
        d_max=d_max,
        thresholds=thresholds,
        operating_far=operating_far,
        min_samples_per_class=min_samples_per_class,
    )
    used = device_of(device)
    _check_outputs(per_class, plot)
    with _progress("reading") as progress:
        read = read_embeddings(
            embeddings,
            labels,
            embedding_column=embedding_column,
            label_column=label_column,
            query_column=query_column,
            progress=progress,
        )
    with _progress("scoring") as progress:
        scored = score_read(read, calibration, file=embeddings, device=used, progress=progress)
    if per_class is not None:
        table = per_class_csv(scored, read).encode()
    if plot is not None:
        from sweeps.embeddings import utility_plot  # matplotlib is slow to import

        picture = utility_plot(scored, title=embeddings.name, file_format=plot.suffix[1:].lower())
    if per_class is not None:
        write_output(per_class, table, field="per_class")
    if plot is not None:
        write_output(plot, picture, field="plot")
    _show(scored, read, least=min_samples_per_class, as_json=as_json)
    if not as_json:
        for file in filter(None, (per_class, plot)):
            print_line(f"{file.suffix[1:]:>5}  {shown(file)}")


def _check_outputs(per_class: Path | None, plot: Path | None) -> None:
    """Refuse now what would fail after the work."""
    from objectives import InputError
    from sweeps.files import check_output

    if per_class is not None and per_class.suffix.lower() != ".csv":
        raise InputError(f"{per_class} must end in .csv", field="per_class")
    if plot is not None and plot.suffix.lower() not in _PLOTS:
        raise InputError(f"{plot} must end in one of {', '.join(_PLOTS)}", field="plot")
    for field, file in {"per_class": per_class, "plot": plot}.items():
        if file is not None:
            check_output(file, field=field)


def _show(score: "Score", read: "Embeddings", *, least: int, as_json: bool) -> None:
    """Print the metrics, their intervals, and how much they were measured on."""
    from objectives import bootstrap_intervals
    from sweeps.cli.tables import metrics_table

    metrics = {f"recall_at_{k}": score.recall_at(k) for k in _RECALLS} | score.metrics()
    if any(map(math.isnan, metrics.values())):
        pair = "two samples or more" if read.queries is None else "a query and a gallery sample"
        ERR.print(f"note: what is nan needs two classes or more, and {pair} of one class")
    intervals = bootstrap_intervals(score)
    counts = _counts(score, read)
    if as_json:
        counts |= {"corrected_classes": score.noise.classes, "small_classes": score.noise.left_out}
        floor = {"opis_floor": score.opis_floor, "opis_corrected": score.opis_corrected}
        verdict = {"noise": _noise(score), "intervals": intervals}
        print_json(metrics | floor | counts | verdict)
        return
    OUT.print(metrics_table(metrics, intervals))
    print_line(f"{_measured_on(score, counts)}; intervals: over classes")
    print_line(_corrected_on(score, least))
    if noise := _noise(score):
        print_line(noise)


def _counts(score: "Score", read: "Embeddings") -> dict[str, int]:
    """Return how many samples and classes there are, by name."""
    samples, classes = len(read.labels), len(score.classes) + score.singletons
    if read.queries is None:
        counts = {"samples": samples, "classes": classes}
        return counts | {"single_sample_classes": score.singletons}
    queries = int(read.queries.sum())
    counts = {"queries": queries, "gallery": samples - queries, "classes": classes}
    return counts | {"unpaired_classes": score.singletons}


def _measured_on(score: "Score", counts: dict[str, int]) -> str:
    missed, classes = int(score.unpaired.sum()), counts["classes"]
    if "queries" not in counts:
        left_out = f" ({missed} with one sample only, a miss in Recall@k)" if missed else ""
        return f"{counts['samples']} samples of {classes} classes{left_out}"
    lacking = f" ({missed} of classes that it lacks, a miss in Recall@k)" if missed else ""
    against = f"{counts['queries']} queries against a gallery of {counts['gallery']}"
    return f"{against}{lacking}, {classes} classes"


def _corrected_on(score: "Score", least: int) -> str:
    noise = score.noise
    if not noise.classes:
        return f"no opis_corrected: its floor takes two classes of {least} samples or more"
    smaller = f" ({noise.left_out} with fewer left out)" if noise.left_out else ""
    return f"opis_corrected: over {noise.classes} classes of {least} samples or more{smaller}"


def _noise(score: "Score") -> str | None:
    """Return a sentence where sampling explains half of OPIS or more, of the same classes."""
    if not 0 < score.opis_floor >= score.opis_corrected:
        return None
    return (
        "half of opis or more is its noise floor: so few samples a class give it, however alike "
        "the classes are"
    )


@contextmanager
def _progress(work: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on the other stream while the work lasts, if people are looking at it."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

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
        task = bar.add_task(work, total=1.0)
        yield lambda share: bar.update(task, completed=share)

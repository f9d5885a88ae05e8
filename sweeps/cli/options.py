"""Options that several commands share, and the many of ``sweeps score``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from sweeps.store import Store  # imports SQLAlchemy

__all__ = [
    "DEFAULT_HOME",
    "AddressOption",
    "CacheOption",
    "DMaxOption",
    "DMinOption",
    "DeviceOption",
    "EmbeddingColumnOption",
    "EmbeddingsArgument",
    "FarMaxOption",
    "FarMinOption",
    "HomeOption",
    "JsonOption",
    "LabelColumnOption",
    "LabelsArgument",
    "MinSamplesOption",
    "NameArgument",
    "OperatingFarOption",
    "PerClassOption",
    "PlotOption",
    "QueryColumnOption",
    "StoreOption",
    "ThresholdsOption",
    "TrackingOption",
    "stored",
]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the sweep.")]
HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="SWEEPS_HOME", help="Folder of everything that sweeps write."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        envvar="SWEEPS_CACHE",
        metavar="DIR",
        help="Folder of decoded images, which sweeps may share; on a cluster each node has its own "
        "at that path. Default: cache under the home.",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        envvar="RAY_ADDRESS",
        help="Address of a Ray cluster. Default: a local Ray for the length of the run.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="SWEEPS_STORE",
        metavar="URL",
        help="SQLAlchemy URL of the store, such as postgresql://user@host/db. "
        "Default: SQLite under the home.",
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        metavar="URI",
        help="MLflow server, such as http://host:5000. Default: SQLite under the home.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DEFAULT_HOME: Final = Path(".sweeps")

EmbeddingsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="An .npz file with arrays `embeddings` (N x D floats) and `labels` (N integers or "
        "texts), a .parquet file with columns `embedding` (lists of floats) and `label`, or an "
        ".npy file of embeddings.",
    ),
]
LabelsArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[LABELS.npy]", help="The labels, where FILE is an .npy file."),
]
FarMinOption = Annotated[float, typer.Option(help="Pooled FAR where the calibration range begins.")]
FarMaxOption = Annotated[float, typer.Option(help="Pooled FAR where it ends.")]
DMinOption = Annotated[
    float | None,
    typer.Option(help="Distance where the range begins, instead of --far-min; with --d-max."),
]
DMaxOption = Annotated[
    float | None,
    typer.Option(help="Distance where it ends, instead of --far-max; with --d-min."),
]
ThresholdsOption = Annotated[
    int, typer.Option(help="Thresholds over the calibration range, 101 to 10001.")
]
OperatingFarOption = Annotated[
    float, typer.Option(help="Pooled FAR that the operating threshold is to have.")
]
MinSamplesOption = Annotated[
    int,
    typer.Option(
        help="Samples that a class must have to count in OPIS's noise floor and OPIS corrected: "
        "4 or more."
    ),
]
EmbeddingColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column (or array) of embeddings of another name."),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column (or array) of labels of another name."),
]
QueryColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column (or array) of truth values, or 0 and 1: which samples are queries. They are "
        "compared with the others, the gallery, alone. Default: each sample with all others.",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1 ... Default: cuda where there is one."),
]
PerClassOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="Also write a row for each class: Recall@1, FAR and FRR at the operating threshold, "
        "utility, deviation from the mean utility, and OPIS.",
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png", help="Also draw the classes' utility curves (or .svg, or .pdf)."
    ),
]


def stored(home: Path, url: str | None) -> "Store":
    """Open the store that ``--store`` and ``--home`` name, without making one.

    Raises:
        InputError: It is not there, or cannot be opened.
    """
    from sweeps.home import Home
    from sweeps.store import open_store

    return open_store(url or Home(path=home).store_url)

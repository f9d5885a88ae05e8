"""The command line: ``sweeps run | list | status | front | export | score | ui``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

import io
import math
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    NameArgument,
    StoreOption,
    TrackingOption,
)
from sweeps.terminal import ERR, OUT, print_json, print_line, program, shown

if TYPE_CHECKING:
    from sweeps.home import Home
    from sweeps.records import TrialRecord
    from sweeps.report import Front
    from sweeps.store import Store

__all__ = ["app", "main"]

app = typer.Typer(
    name="sweeps",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find the trade-off between accuracy (Recall@1) and threshold consistency (OPIS) of an "
    "embedding model on your data, and export the tuned TCM margins.",
    epilog="Start with:  sweeps run examples/demo.yaml",
)


def main() -> None:
    """Run the command line; what the user can mend ends in one sentence and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may know no arrows
    try:
        app()
    except ValueError as error:
        from objectives import InputError  # imports torch; not needed where all goes well

        if not isinstance(error, InputError):
            raise
        ERR.print("error:", " ".join(str(error).splitlines()))
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # Typer's, after Ctrl-C
            ERR.print("interrupted")
        raise


@app.command()
def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The sweep to carry out.")],
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            help="Address of a Ray cluster. Default: a local Ray for the length of the run.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the sweep, instead of the spec's.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", "-o", help="Also write the knee's tuned margins to this file."),
    ] = None,
) -> None:
    """Launch a sweep: train the trials of a spec, score them, and show the front.

    docs/spec.md explains every key of a spec; examples/ has two.
    """
    from sweeps.spec import load_spec, rename

    loaded = load_spec(spec) if name is None else rename(load_spec(spec), name)
    if export is not None:
        _check_output(export)
    from sweeps.runner import run_sweep

    try:
        finished = run_sweep(
            loaded,
            home=_home(home),
            console=OUT,
            store_url=store,
            tracking_uri=tracking_uri,
            address=address,
        )
    except KeyboardInterrupt:
        ERR.print(f"what had finished is kept; see it with: sweeps status {loaded.name}")
        raise
    _print_front(finished.front)
    for file in finished.files:
        print_line(f"{file.suffix[1:]:>5}  {shown(file)}")
    if export is not None and finished.front.members:
        with _open(_home(home), store) as opened:
            _export(opened, loaded.name, export, pick="knee")
    if finished.mirror_error:
        ERR.print(f"MLflow is not level with the store: {finished.mirror_error}")
    print_line(f"\nBrowse it in MLflow:  {_ui_hint(home, tracking_uri)}", style="bold")
    if not finished.front.rows:
        ERR.print("error: no trial completed; `sweeps status` says why")
        raise typer.Exit(1)


@app.command("list")
def list_sweeps(
    home: HomeOption = DEFAULT_HOME, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """List the sweeps in the store."""
    from sweeps.tables import sweeps_table

    with _open(_home(home), store) as opened:
        rows = [(sweep, _states(opened.trials(sweep.name))) for sweep in opened.sweeps()]
    if as_json:
        print_json([asdict(sweep) | {"trials": counts} for sweep, counts in rows])
    else:
        OUT.print(sweeps_table(rows))


@app.command()
def status(
    name: NameArgument,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where each trial of a sweep stands, and why one failed."""
    from sweeps.tables import status_table

    with _open(_home(home), store) as opened:
        sweep, trials = opened.sweep(name), opened.trials(name)
        last = {measurement.number: measurement for measurement in opened.measurements(name)}
    if as_json:
        rows = [asdict(t) | {"epoch": m.epoch if (m := last.get(t.number)) else 0} for t in trials]
        print_json(asdict(sweep) | {"trials": rows})
    else:
        OUT.print(status_table(sweep, trials, last))


@app.command()
def front(
    name: NameArgument,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    every_trial: Annotated[
        bool, typer.Option("--all", help="Show dominated trials too, by rank.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder for front.json, .csv, .html and .png."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the accuracy-consistency front of a sweep."""
    from objectives import InputError
    from sweeps.report import front_document, write_front

    with _open(_home(home), store) as opened:
        built = _front(opened, name)
    if output is not None:
        try:
            write_front(built, output)
        except OSError as error:
            raise InputError(f"--output: {output} cannot be written ({error.strerror})") from None
    if as_json:
        print_json(front_document(built))
    else:
        _print_front(built, every_trial=every_trial)


@app.command()
def export(
    name: NameArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="The YAML file to write.")],
    pick: Annotated[
        str,
        typer.Option(
            help="Which trial: the front's knee (best compromise), its best of one objective, by "
            "name or aspect (recall, consistency), or any completed one by its number."
        ),
    ] = "knee",
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
) -> None:
    """Export tuned margins; `trainer.load_tuned_margins(FILE)` makes a loss of them."""
    with _open(_home(home), store) as opened:
        _export(opened, name, output, pick=pick)


@app.command()
def score(
    embeddings: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.npz",
            help="Arrays `embeddings` (N x D) and `labels` (N integers or texts).",
        ),
    ],
    far_min: Annotated[float, typer.Option(help="Pooled FAR where the range begins.")] = 0.01,
    far_max: Annotated[float, typer.Option(help="Pooled FAR where the range ends.")] = 0.10,
    thresholds: Annotated[int, typer.Option(help="Thresholds over the range.")] = 101,
    operating_far: Annotated[
        float, typer.Option(help="Pooled FAR that the operating threshold is to have.")
    ] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """Score any embeddings: Recall@1, MAP@R, OPIS and 10%-OPIS."""
    from objectives import Calibration, InputError, score_embeddings
    from sweeps.embeddings import read_embeddings
    from sweeps.tables import metrics_table

    calibration = Calibration(
        far_min=far_min, far_max=far_max, thresholds=thresholds, operating_far=operating_far
    )
    arrays = read_embeddings(embeddings)
    try:
        metrics = score_embeddings(*arrays, calibration).metrics()
    except InputError as error:
        raise InputError(f"{embeddings}: {error}") from None
    if any(map(math.isnan, metrics.values())):
        ERR.print(
            "note: what is nan needs two classes or more, and two samples or more of one class"
        )
    if as_json:
        print_json(metrics)
    else:
        OUT.print(metrics_table(metrics))


@app.command()
def ui(
    home: HomeOption = DEFAULT_HOME,
    tracking_uri: TrackingOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Open the sweeps in MLflow's own UI, until Ctrl-C."""
    from sweeps.ui import open_ui

    raise typer.Exit(open_ui(_home(home), tracking_uri, host, port))


def _ui_hint(home: Path, tracking_uri: str | None) -> str:
    """Return what opens the UI: a command, or a server's address."""
    from sweeps.tracking import is_server

    if tracking_uri and is_server(tracking_uri):
        return tracking_uri
    words = [program(), "ui"]
    words += ["--home", str(home)] if home != DEFAULT_HOME else []
    words += ["--tracking-uri", tracking_uri] if tracking_uri else []
    return shlex.join(words)


def _check_output(file: Path) -> None:
    """Find out before a long run what `write_margins` would only find out after it."""
    from objectives import InputError

    if file.is_dir() or not os.access(file.absolute().parent, os.W_OK):
        raise InputError(f"--export: {file} cannot be written")


def _home(path: Path) -> "Home":
    from objectives import InputError
    from sweeps.home import Home

    if "?" in str(path):
        raise InputError(f"--home: {path} has a '?', which database URLs do not take")
    return Home(path=path)


@contextmanager
def _open(home: "Home", url: str | None) -> "Iterator[Store]":
    from sweeps.store import Store

    with closing(Store.open(url or home.store_url, create=False)) as store:
        yield store


def _front(store: "Store", name: str) -> "Front":
    from sweeps.report import build_front
    from sweeps.spec import objectives_of

    objectives = objectives_of(store.sweep(name).spec)
    return build_front(name, objectives, store.trials(name), store.measurements(name))


def _export(store: "Store", name: str, output: Path, *, pick: str) -> None:
    from sweeps.export import export_margins, write_margins

    margins = export_margins(
        store.sweep(name), _front(store, name), store.measurements(name), pick=pick
    )
    write_margins(margins, output)
    margins_in_use = (
        f"margin_positive {margins.margin_positive:.3f}, "
        f"margin_negative {margins.margin_negative:.3f}"
    )
    what = "a control, without TCM" if margins.config.is_control else margins_in_use
    print_line(f"{'yaml':>5}  {shown(output)}  (trial {margins.trial}, {pick}: {what})")
    if margins.config.is_control:
        ERR.print(
            f"note: trial {margins.trial} is a control (TCM weight 0): no margins beat it here"
        )


def _print_front(front: "Front", *, every_trial: bool = False) -> None:
    from sweeps.tables import front_table

    if not front.rows:
        print_line(f"{front.sweep}: no trial has completed")
        return
    OUT.print(front_table(front, width=OUT.width, every_trial=every_trial))
    OUT.print(f"hypervolume {front.hypervolume:.4f}, measured on the validation classes")


def _states(trials: "tuple[TrialRecord, ...]") -> Mapping[str, int]:
    return Counter(trial.state.value for trial in trials)

"""The command line: ``sweeps run | list | status | front | export | score | ui``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

import io
import sys
from collections import Counter
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sweeps.options import (
    DEFAULT_HOME,
    DeviceOption,
    DMaxOption,
    DMinOption,
    EmbeddingColumnOption,
    EmbeddingsArgument,
    FarMaxOption,
    FarMinOption,
    HomeOption,
    JsonOption,
    LabelColumnOption,
    LabelsArgument,
    NameArgument,
    OperatingFarOption,
    PerClassOption,
    PlotOption,
    StoreOption,
    ThresholdsOption,
    TrackingOption,
)
from sweeps.terminal import ERR, OUT, print_json, print_line

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
    as_json: JsonOption = False,
) -> None:
    """Launch a sweep: train the trials of a spec, score them, and show the front.

    docs/spec.md explains every key of a spec; examples/ has two.
    """
    from sweeps.files import check_output
    from sweeps.report import front_document
    from sweeps.spec import load_spec, rename
    from sweeps.views import (
        command_line,
        export_trial,
        home_at,
        open_store,
        show_finished,
        ui_hint,
    )

    loaded = load_spec(spec) if name is None else rename(load_spec(spec), name)
    if export is not None:
        check_output(export, option="--export")
    from sweeps.runner import run_sweep

    # With --json, what is for people goes to the other stream.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        try:
            finished = run_sweep(
                loaded,
                home=home_at(home),
                console=OUT,
                store_url=store,
                tracking_uri=tracking_uri,
                address=address,
            )
        except KeyboardInterrupt:
            command = command_line("status", loaded.name, home=home)
            ERR.print(f"what had finished is kept; see it with: {command}")
            raise
        show_finished(finished)
        if export is not None and finished.front.members:
            with open_store(home, store) as opened:
                export_trial(opened, loaded.name, export, pick="knee")
        print_line(f"\nBrowse it in MLflow:  {ui_hint(home, tracking_uri)}", style="bold")
    if as_json:
        print_json(front_document(finished.front))
    if not finished.front.rows:
        ERR.print("error: no trial completed; `sweeps status` says why")
        raise typer.Exit(1)


@app.command("list")
def list_sweeps(
    home: HomeOption = DEFAULT_HOME, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """List the sweeps in the store."""
    from sweeps.tables import sweeps_table
    from sweeps.views import open_store

    with open_store(home, store) as opened:
        rows = [
            (sweep, Counter(trial.state.value for trial in opened.trials(sweep.name)))
            for sweep in opened.sweeps()
        ]
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
    from sweeps.views import open_store

    with open_store(home, store) as opened:
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
    from sweeps.report import front_document, read_front, write_front
    from sweeps.views import open_store, show_front

    with open_store(home, store) as opened:
        built = read_front(opened, name)
    if output is not None:
        try:
            write_front(built, output)
        except OSError as error:
            raise InputError(f"--output: {output} cannot be written ({error.strerror})") from None
    if as_json:
        print_json(front_document(built))
    else:
        show_front(built, every_trial=every_trial)


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
    from sweeps.views import export_trial, open_store

    with open_store(home, store) as opened:
        export_trial(opened, name, output, pick=pick)


@app.command()
def score(
    embeddings: EmbeddingsArgument,
    labels: LabelsArgument = None,
    far_min: FarMinOption = 0.01,
    far_max: FarMaxOption = 0.10,
    d_min: DMinOption = None,
    d_max: DMaxOption = None,
    thresholds: ThresholdsOption = 101,
    operating_far: OperatingFarOption = 0.05,
    embedding_column: EmbeddingColumnOption = None,
    label_column: LabelColumnOption = None,
    device: DeviceOption = None,
    per_class: PerClassOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score any embeddings: Recall@1, MAP@R, OPIS and 10%-OPIS, with 95 % intervals.

    Embeddings come from an .npz file, from an .npy file and one of labels, or from Parquet.
    """
    from sweeps.scoring import Outputs, Source, calibration_of, device_of, score_source

    calibration = calibration_of(
        far_min=far_min,
        far_max=far_max,
        d_min=d_min,
        d_max=d_max,
        thresholds=thresholds,
        operating_far=operating_far,
    )
    source = Source(
        path=embeddings,
        labels=labels,
        embedding_column=embedding_column,
        label_column=label_column,
    )
    outputs = Outputs(per_class=per_class, plot=plot, as_json=as_json)
    score_source(source, calibration, device_of(device), outputs)


@app.command()
def ui(
    home: HomeOption = DEFAULT_HOME,
    tracking_uri: TrackingOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Open the sweeps in MLflow's own UI, until Ctrl-C."""
    from sweeps.ui import open_ui
    from sweeps.views import home_at

    raise typer.Exit(open_ui(home_at(home), tracking_uri, host, port))

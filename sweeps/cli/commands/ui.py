"""Command ``sweeps ui``."""

from typing import Annotated

import typer

from sweeps.cli.options import DEFAULT_HOME, HomeOption, TrackingOption
from sweeps.cli.terminal import ERR, print_line, shown

__all__ = ["ui"]


def ui(
    home: HomeOption = DEFAULT_HOME,
    tracking_uri: TrackingOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Open the sweeps in MLflow's own UI, until Ctrl-C."""
    from objectives import InputError
    from sweeps.home import Home
    from sweeps.tracking import answers, check_port, runs_page, serve, ui_command, ui_environment

    place = Home(path=home)
    if tracking_uri is None and not (place.path / "mlflow.db").exists():
        raise InputError(f"{place.path} has no sweeps yet; `sweeps run` makes one", field="home")
    database = tracking_uri or place.tracking_uri
    command = ui_command(database, place.artifacts, host, port)
    check_port(host, port)
    place.path.mkdir(parents=True, exist_ok=True)
    log = place.path / "mlflow-ui.log"
    print_line("Starting MLflow ...")
    page = runs_page(database, host, port)
    code = serve(
        command,
        log,
        environment=ui_environment(database),
        ready=lambda: answers(host, port),
        up=lambda: print_line(f"MLflow is up; Ctrl-C ends it. Open\n{page}", style="bold"),
    )
    if code:
        ERR.print(f"error: MLflow ended with exit code {code}; {shown(log)} says why")
    raise typer.Exit(code)

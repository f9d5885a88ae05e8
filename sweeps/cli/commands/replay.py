"""Command ``sweeps replay``."""

from sweeps.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    NameArgument,
    StoreOption,
    TrackingOption,
)
from sweeps.cli.terminal import print_line

__all__ = ["replay"]


def replay(
    name: NameArgument,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Bring MLflow level with the store, all of a sweep, such as after MLflow was away or lost."""
    from sweeps.cli.hints import ui_hint
    from sweeps.execution import replay_sweep
    from sweeps.home import Home

    replay_sweep(name, home=Home(path=home), store_url=store, tracking_uri=tracking_uri)
    print_line(f"MLflow has all of {name}:  {ui_hint(home, tracking_uri)}", style="bold")

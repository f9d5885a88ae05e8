"""Short runs side by side: the time that a sweep of them takes, beside cores that never wait.

``python -m benchmarks.short_runs [--json FILE] [--runs N]`` of trials that train nothing and last
0.3, 1 and 3 seconds, two at a time, on a Ray of its own. The time is that from the beginning of the
first trial to the end of the last, as the store has it: the start of the second process, each
trial's way through the driver and the store, and the last trials are in it; the start of Ray is
not.
"""

import tempfile
from pathlib import Path
from typing import Final

from benchmarks.results import Comparison, arguments, publish
from sweeps import Home, SweepSpec, open_store, run_sweep

_RUNS: Final = 60
_AT_ONCE: Final = 2
# Of runs of a second.
_BAR: Final = 1.1


def measure(seconds: float, runs: int) -> Comparison:
    """Return the time that the runs took beside that of cores which never wait.

    Args:
        seconds: What a run takes.
        runs: How many there are, one of them the control.
    """
    return Comparison(
        work=f"{runs} runs of {seconds:g} s, {_AT_ONCE} at a time",
        ours=time_of_runs(seconds, runs),
        peer="cores that never wait",
        theirs=seconds * runs / _AT_ONCE,
        bar=_BAR if seconds == 1 else None,
    )


def time_of_runs(seconds: float, runs: int, *, tracking_uri: str | None = None) -> float:
    """Return the seconds that such a sweep took, its MLflow at a URI."""
    spec = SweepSpec.model_validate(
        {
            "name": "short",
            "workload": "simulated",
            "trial": {"wait": seconds, "last_epoch": 1},
            "space": {"trade": {"low": 0.1, "high": 1}, "detour": {"low": 0, "high": 1}},
            "seeds": 1,
            "budget": {"trials": runs - 1, "max_concurrent": _AT_ONCE},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=Path(folder))
        run_sweep(spec, home=home, tracking_uri=tracking_uri)
        return _taken(home)


def _taken(home: Home) -> float:
    with open_store(home.store_url) as store:
        trials = store.trials("short")
    ends = [trial.finished_at for trial in trials if trial.finished_at is not None]
    return (max(ends) - min(trial.started_at for trial in trials)).total_seconds()


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=_RUNS, metavar="N", help="of each length")
    chosen = parser.parse_args()
    rows = [measure(seconds, chosen.runs) for seconds in (0.3, 1.0, 3.0)]
    publish("Short runs side by side", rows, file=chosen.json)


if __name__ == "__main__":
    main()

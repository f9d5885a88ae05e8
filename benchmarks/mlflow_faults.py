"""Sweeps without an MLflow that works, beside one with it: how much longer they take.

``python -m benchmarks.mlflow_faults [--json FILE] [--runs N]`` carries out sweeps of runs that
train nothing and last a second, two at a time, with MLflow in a file under the home, with a server
that is not there, one that answers each call with an error, and one that takes its time. The time
is that from the beginning of the first trial to the end of the last, as the store has it.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from benchmarks.results import Comparison, arguments, publish
from sweeps import Home, SweepSpec, open_store, run_sweep

__all__ = ["main", "measure", "server"]

_RUNS: Final = 60
_BAR: Final = 1.02
_SLOW_SECONDS: Final = 3.0


@contextmanager
def server(seconds: float) -> Iterator[str]:
    """Give the URL of a server that answers each call so late, and then with error 500."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            time.sleep(seconds)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()


def measure(runs: int) -> list[Comparison]:
    """Return how long sweeps of so many runs take beside one whose MLflow works."""
    with server(0) as failing, server(_SLOW_SECONDS) as slow:
        uris = {
            "not there": "http://127.0.0.1:9",
            "answers with error 500": failing,
            f"takes {_SLOW_SECONDS:g} s for an error": slow,
        }
        works = _seconds(runs, None)
        return [
            Comparison(
                work=f"{runs} runs of 1 s, MLflow {fault}",
                ours=_seconds(runs, uri),
                peer="MLflow works",
                theirs=works,
                bar=_BAR,
            )
            for fault, uri in uris.items()
        ]


def _seconds(runs: int, uri: str | None) -> float:
    spec = SweepSpec.model_validate(
        {
            "name": "faults",
            "workload": "simulated",
            "trial": {"wait": 1.0, "last_epoch": 1},
            "space": {"trade": {"low": 0.1, "high": 1}, "detour": {"low": 0, "high": 1}},
            "seeds": 1,
            "budget": {"trials": runs - 1, "max_concurrent": 2},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=Path(folder))
        run_sweep(spec, home=home, tracking_uri=uri)
        with open_store(home.store_url) as store:
            trials = store.trials("faults")
    ends = [trial.finished_at for trial in trials if trial.finished_at is not None]
    return (max(ends) - min(trial.started_at for trial in trials)).total_seconds()


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=_RUNS, metavar="N", help="of each sweep")
    chosen = parser.parse_args()
    publish("MLflow at fault", measure(chosen.runs), file=chosen.json)


if __name__ == "__main__":
    main()

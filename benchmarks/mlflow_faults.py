"""Sweeps without an MLflow that works, beside one with it: how much longer they take.

``python -m benchmarks.mlflow_faults [--json FILE] [--runs N]`` carries out sweeps of runs that
train nothing and last a second, two at a time, with MLflow in a file under the home, with a server
that is not there, one that answers each call with an error, and one that takes its time. The time
is that from the beginning of the first trial to the end of the last, as the store has it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from benchmarks.results import Comparison, arguments, publish
from benchmarks.short_runs import time_of_runs

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
        works = time_of_runs(1.0, runs)
        return [
            Comparison(
                work=f"{runs} runs of 1 s, MLflow {fault}",
                ours=time_of_runs(1.0, runs, tracking_uri=uri),
                peer="MLflow works",
                theirs=works,
                bar=_BAR,
            )
            for fault, uri in uris.items()
        ]


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=_RUNS, metavar="N", help="of each sweep")
    chosen = parser.parse_args()
    publish("MLflow at fault", measure(chosen.runs), file=chosen.json)


if __name__ == "__main__":
    main()

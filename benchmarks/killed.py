"""Sweeps whose driver is killed, and resumed, beside one that never was.

``python -m benchmarks.killed [--kills N] [--grace SECONDS] [--json FILE]`` carries out a simulated
sweep once, then again and again with ``kill -9`` of its driver at random instants (so many seconds
after SIGTERM, which is how a cluster stops a job) and ``sweeps run --resume`` after each, until so
many kills were made, and counts what differs: trials, runs and measurements in the store against
the uninterrupted sweep's, which one run at a time makes a matter of the seed alone; runs that are
left RUNNING or were run to their end twice; and trials that MLflow has not once.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.results import write_figures
from sweeps import Home, open_store
from sweeps.store import Store, TrialState

__all__ = ["Damage", "Sweeps", "main"]

_SPEC: Final[Mapping[str, Any]] = {
    "name": "killed",
    "workload": "simulated",
    "space": {"trade": {"low": 0.0, "high": 1.0}, "detour": {"low": 0.0, "high": 0.5}},
    "trial": {"seed_noise": 0.2, "epoch_noise": 0.1, "last_epoch": 3, "wait": 0.1},
    "budget": {"trials": 12, "replicates": 8, "reports": 4, "max_concurrent": 1},
    "resources": {"cpu": 1},
}
_COMMAND: Final = (sys.executable, "-c", "from sweeps.cli import main; main()")
_TRIES: Final = 100


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Damage that kills did to a sweep: how many of each there are.

    Attributes:
        lost: Trials, runs or measurements of the uninterrupted sweep that it has not, or otherwise.
        more: Those that it has and the uninterrupted one has not.
        twice: Runs with more than one attempt that came to its end.
        running: Trials, runs and attempts that are left RUNNING.
        mirrored: Trials that MLflow has not exactly once.
    """

    lost: int = 0
    more: int = 0
    twice: int = 0
    running: int = 0
    mirrored: int = 0

    def __add__(self, other: "Damage") -> "Damage":
        names = [field.name for field in fields(self)]
        return Damage(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Sweeps:
    """Sweeps of one spec, each in a home of its own, in processes that can be killed.

    Args:
        folder: Where they are; the uninterrupted one is carried out at once.
        seed: Of the instants.
    """

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311
        self._spec = folder / "spec.yaml"
        self._spec.write_text(yaml.safe_dump(dict(_SPEC)))
        started = time.monotonic()
        self._run(folder / "whole")
        self._seconds = time.monotonic() - started
        self._whole = _content(folder / "whole")

    def with_kills(
        self, most: int, *, number: int = 0, grace: float | None = None
    ) -> tuple[int, Damage]:
        """Carry a sweep out, its driver killed so often at most; return how often, and the damage.

        Args:
            most: Kills.
            number: Of the sweep.
            grace: Seconds that each has from SIGTERM on; None: it hears of nothing.
        """
        home, kills = self._folder / f"killed_{number}", 0
        while kills < most:
            if not self._killed(home, self._random.uniform(0, self._seconds), grace):
                break
            kills += 1
        self._run(home)
        return kills, self._damage(home)

    def _killed(self, home: Path, seconds: float, grace: float | None) -> bool:
        """Start, or go on with, a sweep; return whether it was ended before its end."""
        process = self._start(home)
        try:
            process.wait(seconds)
            return False
        except subprocess.TimeoutExpired:
            if grace is not None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(grace)
            process.kill()
            return process.wait() != 0
        finally:
            with suppress(ProcessLookupError):  # what Ray started, and has not noticed yet
                os.killpg(process.pid, signal.SIGKILL)

    def _run(self, home: Path) -> None:
        for _ in range(_TRIES):
            process = self._start(home)
            if process.wait() == 0:
                return
        raise RuntimeError("the sweep does not come to its end")

    def _start(self, home: Path) -> "subprocess.Popen[bytes]":
        words = (*_COMMAND, "run", str(self._spec), "--home", str(home), "--resume")
        with (self._folder / "log.txt").open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                words, stdout=log, stderr=log, start_new_session=True
            )

    def _damage(self, home: Path) -> Damage:
        found = _content(home)
        with open_store(Home(path=home).store_url) as store:
            ended = Counter(
                (each.number, each.seed)
                for each in store.attempts("killed")
                if each.state is not TrialState.LOST
            )
            return Damage(
                lost=len(self._whole - found),
                more=len(found - self._whole),
                twice=sum(count > 1 for count in ended.values()),
                running=_running(store),
                mirrored=_not_once(store, home),
            )


def _content(home: Path) -> set[str]:
    """Return what a sweep is made of, but for its times."""
    with open_store(Home(path=home).store_url) as store:
        trials = [(t.number, t.config, t.sampled, t.drawn, t.state) for t in store.trials("killed")]
        runs = [(r.number, r.seed, r.purpose, r.state) for r in store.replicates("killed")]
        measured = [
            (m.number, m.epoch, m.seed, m.split, m.metrics) for m in store.measurements("killed")
        ]
    return {repr(each) for each in (*trials, *runs, *measured)}


def _running(store: Store) -> int:
    states = [each.state for each in store.trials("killed")]
    states += [each.state for each in store.replicates("killed")]
    states += [each.state for each in store.attempts("killed")]
    return states.count(TrialState.RUNNING)


def _not_once(store: Store, home: Path) -> int:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=Home(path=home).tracking_uri)
    [experiment] = client.search_experiments(filter_string="name = 'tcm-sweeps'")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    held = Counter(run.data.tags["sweeps.key"] for run in runs)
    wanted = {"killed", *(f"killed/{trial.number}" for trial in store.trials("killed"))}
    return sum(held[key] != 1 for key in wanted | held.keys())


def main() -> None:
    """Print what the kills did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--grace", type=float, default=None, help="seconds after SIGTERM")
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    given = parser.parse_args()
    kills, number, damage = 0, 0, Damage()
    with tempfile.TemporaryDirectory() as folder:
        sweeps = Sweeps(Path(folder))
        while kills < given.kills:
            most = min(10, given.kills - kills)
            made, done = sweeps.with_kills(most, number=number, grace=given.grace)
            kills, number, damage = kills + made, number + 1, damage + done
            print(f"{kills} kills: {damage}", flush=True)
    if given.json is not None:
        document = {
            "kills": kills,
            "grace": given.grace,
            "sweeps": number,
            "damage": asdict(damage),
        }
        write_figures(given.json, "Drivers killed and resumed", document)


if __name__ == "__main__":
    main()

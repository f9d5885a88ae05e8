"""Trials as Ray runs them: actors that are reused for trial after trial."""

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from ray import tune

from objectives import InputError
from sweeps.execution.checkpoints import Checkpoints
from sweeps.execution.opened_data import Surroundings, UnreadableData, check_metrics
from sweeps.execution.time_limit import TimeLimit, TimeLimitReached
from sweeps.home import run_file
from sweeps.spec import Data, KeepableRun, LongRun, Run
from trainer import Measurement, TrialFailed

__all__ = ["TrialTrainable"]

# By so many bytes a process may hold more of a GPU than after its first trial: libraries come to
# need workspaces of other sizes, and what is left lies in pieces.
_TOLERATED: Final = 2**28
# So long a process rests that cannot read the data.
_REST_SECONDS: Final = 5.0


class TrialTrainable(tune.Trainable):  # type: ignore[misc]  # Ray has no types
    """Trains one configuration under one seed; each step is a rung and returns its measurement.

    The configuration is the searcher's suggestion plus ``workload``, ``data``, ``fingerprint``,
    ``cache``, ``scoring``, ``objectives`` (their names), ``resources`` and ``failures`` (a
    `sweeps.spec.Failures`); ``begun_at``, which tells the sweep from another of its name;
    ``measured``, the epochs that the store has of the run from attempts before, and
    ``checkpoints`` and ``kept``, folders of this machine, or ones that all share, for what a run
    goes on from, and for the weights of those that are kept.
    A result is ``{"measurement": Measurement | None, "failure": str | None, "done": bool}``: a
    trial that cannot be scored ends with its reason, and the ``kind`` of that, and the actor lives
    on. Where the process has come to hold more than it did after its first trial, the last result
    of a trial says ``worn_out`` (`sweeps.execution.recycler.Recycler`).
    """

    _run: Run | None = None
    _limit: TimeLimit | None = None
    _held_at_first: int | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, and begin the first trial."""
        here = Surroundings(config)
        here.workload.prepare(here.resources)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train to the next rung and measure; with the last one, let go of the run."""
        result = self._advance()
        if result["done"] and self._is_worn_out():
            result["worn_out"] = True
        return result

    def _advance(self) -> dict[str, Any]:
        try:
            measurement = self._measured()
            self._check(measurement)
        except (UnreadableData, TimeLimitReached) as failure:  # it may go on elsewhere, or later
            return _failed(failure)
        except (TrialFailed, InputError) as failure:
            self._drop_checkpoint()
            return _failed(failure)
        except Exception as error:
            _redact(error)
            raise
        done = measurement.epoch >= self._last_epoch
        return {"measurement": measurement, "failure": None, "done": done}

    def _measured(self) -> Measurement:
        """Return the next measurement that the driver lacks."""
        run = self._started()
        if self._owed:
            return self._owed.popleft()
        while True:
            self._check_time()
            found = run.advance()
            if found.epoch >= self._last_epoch:
                if self._config["keep"] and isinstance(run, KeepableRun):
                    self._keep(run)
                # The driver may die, or find the store gone, before it has recorded this.
                self._checkpoints.finish(found)
                return found
            self._checkpoints.save(run, found)
            if not self._checkpoints.is_recorded(found):
                return found

    def _between_steps(self) -> None:
        self._check_time()
        if self._run is not None:
            self._checkpoints.save_between(self._run)

    def _check_time(self) -> None:
        if self._limit is not None and self._limit.is_over:
            if self._run is not None:
                self._checkpoints.save_now(self._run)
            raise self._limit.reached

    @staticmethod
    def _data(here: Surroundings) -> Data:
        try:
            return here.open_data()
        except UnreadableData:
            # Sooner, and this process would be the free one that is given the run again.
            time.sleep(_REST_SECONDS)
            raise

    def _drop_checkpoint(self) -> None:
        if self._run is not None:
            self._checkpoints.drop()

    def _keep(self, run: KeepableRun) -> None:
        """Keep the weights where that can be; what was measured counts all the same."""
        folder, config = Path(self._config["kept"]), self._config
        with suppress(OSError, RuntimeError):  # torch's where the disk is full
            folder.mkdir(parents=True, exist_ok=True)
            run.keep(run_file(folder, number=config["number"], seed=config["seed"]))

    def _begin(self, config: dict[str, Any]) -> None:
        if self._run is not None:  # of a trial that was stopped before its last epoch
            self._drop_checkpoint()
            self._is_worn_out()
        self._config = config
        self._epoch = 0

    def _is_worn_out(self) -> bool:
        """Let go of the run; say whether the process holds much more than after the first."""
        self._run = None
        if self._limit is not None:
            self._limit.lift()
        held = Surroundings(self._config).workload.release()
        if self._held_at_first is None:
            self._held_at_first = held
        return held > self._held_at_first + _TOLERATED

    def _check(self, measurement: Measurement) -> None:
        """Refuse what a workload of any origin may hand over and the record cannot hold."""
        epoch, objectives = measurement.epoch, self._config["objectives"]
        check_metrics(measurement.metrics, objectives, when=f"at epoch {epoch}")
        if epoch <= self._epoch:
            raise TrialFailed(f"epoch {epoch} was measured after epoch {self._epoch}")
        self._epoch = epoch

    def _started(self) -> Run:
        if self._run is None:
            here = Surroundings(self._config)
            data, workload = self._data(here), here.workload
            self._limit = TimeLimit(self._config["failures"]["time_limit"])
            plain = {**self._config["config"], "seed": self._config["seed"]}
            config = workload.config.model_validate(plain)
            self._last_epoch = workload.last_epoch(config)
            begun = (config, data, here.scoring, here.resources)
            confirm = workload.confirm if self._config["purpose"] == "CONFIRM" else None
            folder = self._config.get("checkpoints")
            number, seed = self._config["number"], self._config["seed"]
            self._checkpoints = Checkpoints(
                run_file(Path(folder), number=number, seed=seed) if folder else None,
                {**plain, "begun_at": self._config["begun_at"]},
                measured=self._config.get("measured", []),
            )
            self._run, self._owed = self._checkpoints.begin(
                partial(confirm or workload.start, *begun)
            )
            if isinstance(self._run, LongRun):
                self._run.between_steps = self._between_steps
        return self._run


def _failed(failure: TrialFailed | InputError) -> dict[str, Any]:
    _redact(failure)
    kind = failure.kind if isinstance(failure, TrialFailed) else TrialFailed.kind
    return {"measurement": None, "failure": str(failure), "kind": kind, "done": True}


def _redact(error: BaseException) -> None:
    """Hide the passwords of URLs in what an error says, which Ray writes to files of its own."""
    from sweeps.store import redacted  # imports SQLAlchemy

    seen: list[BaseException] = []
    latest: BaseException | None = error
    while latest is not None and latest not in seen:
        seen.append(latest)
        latest.args = tuple(redacted(e) if isinstance(e, str) else e for e in latest.args)
        for name in ("filename", "filename2", "strerror"):  # of an OSError, which it says too
            if isinstance(said := getattr(latest, name, None), str):
                setattr(latest, name, redacted(said))
        latest = latest.__cause__ or latest.__context__

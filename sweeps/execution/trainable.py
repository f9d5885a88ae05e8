"""Trials as Ray runs them: actors that are reused for trial after trial."""

import json
import math
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from ray import tune

from objectives import InputError
from sweeps.spec import Data, Resources, Run, load_workload
from trainer import Measurement, TrialFailed

__all__ = ["TrialTrainable"]


class TrialTrainable(tune.Trainable):  # type: ignore[misc]  # Ray has no types
    """Trains one configuration; each step is a rung and returns its measurement.

    The configuration is the searcher's suggestion plus ``workload``, ``data``, ``fingerprint``,
    ``scoring``, ``objectives`` (their names) and ``resources``.
    A result is ``{"measurement": Measurement | None, "failure": str | None, "done": bool}``: a
    trial that cannot be scored ends with its reason, and the actor lives on.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, and begin the first trial."""
        load_workload(config["workload"]).prepare(Resources.model_validate(config["resources"]))
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train to the next rung and measure."""
        try:
            measurement = self._started().advance()
            self._check(measurement)
        except (TrialFailed, InputError) as failure:
            return {"measurement": None, "failure": str(failure), "done": True}
        done = measurement.epoch >= self._last_epoch
        return {"measurement": measurement, "failure": None, "done": done}

    def _begin(self, config: dict[str, Any]) -> None:
        self._config = config
        self._run: Run | None = None
        self._epoch = 0

    def _check(self, measurement: Measurement) -> None:
        """Refuse what a workload of any origin may hand over and the record cannot hold."""
        metrics, epoch = measurement.metrics, measurement.epoch
        names = {*metrics, *self._config["objectives"]}
        undefined = sorted(n for n in names if not math.isfinite(metrics.get(n, math.nan)))
        if undefined:
            raise TrialFailed(f"{', '.join(undefined)} undefined at epoch {epoch}")
        if epoch <= self._epoch:
            raise TrialFailed(f"epoch {epoch} was measured after epoch {self._epoch}")
        self._epoch = epoch

    def _started(self) -> Run:
        if self._run is None:
            workload = load_workload(self._config["workload"])
            data = _open_once(self._config["workload"], json.dumps(self._config["data"]))
            if data.fingerprint != self._config["fingerprint"]:
                raise TrialFailed("the data are not those that the sweep began with")
            config = workload.config.model_validate(self._config["config"])
            self._last_epoch = workload.last_epoch(config)
            scoring = _section(workload.scoring, self._config["scoring"])
            resources = Resources.model_validate(self._config["resources"])
            self._run = workload.start(config, data, scoring, resources)
        return self._run


@lru_cache(maxsize=1)
def _open_once(workload: str, data: str) -> Data:
    """Open the data of this process's trials, which are the same in every one of them."""
    kind = load_workload(workload)
    return kind.open_data(_section(kind.data, json.loads(data)))


def _section(model: type[Any] | None, raw: Any) -> Any:
    return None if model is None else TypeAdapter(model).validate_python(raw)

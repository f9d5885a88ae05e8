"""One trial as Ray runs it: an actor that is reused for trial after trial."""

from functools import lru_cache
from typing import Any

import ray
import torch
from ray import tune

from objectives import Calibration, InputError
from trainer import (
    DataConfig,
    SplitDataset,
    TrainingRun,
    TrialConfig,
    TrialFailed,
    keep_freed_memory,
    load_data,
)

__all__ = ["TrialTrainable"]


class TrialTrainable(tune.Trainable):  # type: ignore[misc]  # Ray has no types
    """Trains one configuration; each step is an epoch and returns its measurement.

    The configuration is the searcher's suggestion plus ``data``, ``fingerprint``,
    ``calibration`` and ``threads``.
    A result is ``{"measurement": Measurement | None, "failure": str | None, "done": bool}``: a
    trial that cannot be scored ends with its reason, and the actor lives on.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the first trial."""
        # Ray hands a fresh actor one CPU's worth of work; torch would take every core.
        torch.set_num_threads(config["threads"])
        keep_freed_memory()
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train and measure one epoch."""
        try:
            measurement = self._started().advance()
        except (TrialFailed, InputError) as failure:
            return {"measurement": None, "failure": str(failure), "done": True}
        done = measurement.epoch >= self._config["trial"]["epochs"]
        return {"measurement": measurement, "failure": None, "done": done}

    def _begin(self, config: dict[str, Any]) -> None:
        self._config = config
        self._trial: TrainingRun | None = None

    def _started(self) -> TrainingRun:
        if self._trial is None:
            data = _load_once(DataConfig.model_validate(self._config["data"]))
            if data.fingerprint != self._config["fingerprint"]:
                raise TrialFailed("the data are not those that the sweep began with")
            self._trial = TrainingRun(
                TrialConfig.model_validate(self._config["trial"]),
                data,
                device=_device(),
                calibration=Calibration(**self._config["calibration"]),
            )
        return self._trial


@lru_cache(maxsize=1)
def _load_once(config: DataConfig) -> SplitDataset:
    return load_data(config)


def _device() -> torch.device:
    """CUDA where Ray gave this actor a GPU, the CPU everywhere else."""
    given = ray.get_runtime_context().get_accelerator_ids().get("GPU")
    return torch.device("cuda" if given else "cpu")

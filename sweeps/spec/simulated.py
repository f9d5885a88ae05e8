"""Simulated trials as a workload: two objectives whose true front and noise are known.

For tests and benchmarks of the search: nothing is trained, and a trial takes no time but what its
configuration asks for.
"""

import math
import time
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Final

from pydantic import Field

from objectives import Objective
from sweeps.spec.controls import ControlRule
from sweeps.spec.data import Data
from sweeps.spec.resources import Resources
from sweeps.spec.space_rules import SpaceRules
from sweeps.spec.workload import Workload
from trainer import Measurement, StrictModel

__all__ = ["SimulatedConfig", "SimulatedRun", "true_values", "workload"]

_Share = Annotated[float, Field(ge=0, le=1)]
_NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SimulatedConfig(StrictModel):
    """Configuration of a simulated trial.

    Attributes:
        trade: Place along the trade-off, from all accuracy (0) to all consistency (1).
        detour: Distance from the true front, on which it is 0.
        seed_noise: Standard deviation of what a seed adds to a value, alike at every epoch.
        epoch_noise: Standard deviation of what a seed adds at each epoch anew.
        learning: How far an untrained trial is from its last epoch's values.
        wait: Seconds that an epoch takes.
        last_epoch: Epochs of a trial.
        seed: Of the noise.
    """

    trade: _Share = 0.5
    detour: _NonNegative = 0.0
    seed_noise: _NonNegative = 0.0
    epoch_noise: _NonNegative = 0.0
    learning: _NonNegative = 0.5
    wait: _NonNegative = 0.0
    last_epoch: Annotated[int, Field(ge=1)] = 3
    seed: Annotated[int, Field(ge=0)] = 0


def true_values(config: SimulatedConfig, epoch: int | None = None) -> tuple[float, float]:
    """Return accuracy and inconsistency without noise, at the last epoch or an earlier one.

    The true front is a quarter of a circle: accuracy cos(a), inconsistency 1 - sin(a), with
    a = trade * pi / 2. A detour takes from the one and adds to the other, and so does what is left
    of ``learning``, which halves with every epoch.
    """
    angle = config.trade * math.pi / 2
    short = config.detour
    if epoch is not None and epoch < config.last_epoch:
        short += config.learning * 0.5**epoch
    return math.cos(angle) - short, 1 - math.sin(angle) + short


class SimulatedRun:
    """A simulated trial under its configuration's seed.

    Equal configurations measure equal values, in any process; under another seed, or with any
    other field, the noise is drawn anew.
    """

    def __init__(self, config: SimulatedConfig) -> None:
        self._config = config
        self._epoch = 0

    def advance(self) -> Measurement:
        """Wait, and measure the next epoch."""
        time.sleep(self._config.wait)
        self._epoch += 1
        accuracy, inconsistency = true_values(self._config, self._epoch)
        noise = [self._noise(name) for name in ("accuracy", "inconsistency")]
        return Measurement(
            epoch=self._epoch,
            seed=self._config.seed,
            split="validation",
            metrics={
                "accuracy": accuracy + noise[0],
                "inconsistency": inconsistency + noise[1],
            },
        )

    def state_dict(self) -> Mapping[str, Any]:
        """Return the epoch, on which all else depends."""
        return {"epoch": self._epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the epoch of the state."""
        self._epoch = state["epoch"]

    def _noise(self, objective: str) -> float:
        of_seed = Random(f"{objective} {self._config!r}").gauss(0, self._config.seed_noise)
        here = Random(f"{objective} {self._config!r} {self._epoch}")
        return of_seed + here.gauss(0, self._config.epoch_noise)


def _start(
    config: SimulatedConfig, _data: Data, _scoring: Any, _resources: Resources
) -> SimulatedRun:
    return SimulatedRun(config)


workload: Final = Workload(
    config=SimulatedConfig,
    objectives={
        "accuracy": Objective(
            name="accuracy",
            direction="maximize",
            label="Accuracy",
            aspect="accuracy",
            ideal=1.0,
            reference=-1.0,
        ),
        "inconsistency": Objective(
            name="inconsistency",
            direction="minimize",
            label="Inconsistency",
            aspect="consistency",
            ideal=0.0,
            reference=2.0,
        ),
    },
    last_epoch=lambda config: int(config.last_epoch),
    start=_start,
    rules=SpaceRules(control=ControlRule(off={"trade": 0.0}, label="trade 0")),
)

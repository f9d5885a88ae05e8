"""Optuna suggests, Ray executes: a Ray searcher over an Optuna study of two objectives.

Our own, because Ray's ``OptunaSearch`` with two objectives tells stopped trials as complete,
leaves those that returned NaN running for ever, and so misleads the sampler.
"""

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from ray.tune.search import Searcher

from objectives import Objective
from sweeps.space import SearchSpace
from trainer import Measurement, TrialConfig

__all__ = ["OptunaSearcher", "make_sampler"]


def make_sampler(name: str, *, seed: int) -> BaseSampler:
    """Return the sampler that a spec names."""
    if name == "tpe":
        # constant_liar: what is still running counts as tried, so that parallel trials spread.
        return TPESampler(seed=seed, constant_liar=True)
    if name == "nsgaii":
        return NSGAIISampler(seed=seed)
    if name == "random":
        return RandomSampler(seed=seed)
    raise ValueError(f"sampler {name!r} is not one of tpe, nsgaii, random")


class OptunaSearcher(Searcher):  # type: ignore[misc]  # Ray has no types
    """Suggests the controls first, then what the sampler asks for, until the budget is spent.

    A suggestion is ``{"number", "trial", "sampled", "control"}``: the trial's number, its full
    configuration, the part that the space sampled, and whether it is a control. Controls lie
    outside the space (their TCM weights are 0), so the sampler is not told of them.

    Args:
        space: What is sampled.
        objectives: Names and directions of the two values.
        trials: Number of sampled trials.
        sampler: Any Optuna sampler of multi-objective studies.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        trials: int,
        sampler: BaseSampler,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._space = space
        self._objectives = tuple(objectives)
        self._left = trials
        self._controls = space.controls()
        self._number = 0
        self._pending: dict[str, optuna.Trial] = {}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(
            directions=[objective.direction for objective in objectives], sampler=sampler
        )

    @property
    def total(self) -> int:
        """Number of suggestions, made and to be made."""
        return self._number + len(self._controls) + self._left

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Return the next configuration, or ``Searcher.FINISHED``."""
        if self._controls:
            sampled, config = self._controls.pop(0)
            return self._suggestion(sampled, config)
        if not self._left:
            return str(Searcher.FINISHED)
        self._left -= 1
        trial = self._pending[trial_id] = self.study.ask()
        sampled = self._space.suggest(trial)
        return self._suggestion(sampled, self._space.config(sampled))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study: COMPLETE with both values, or FAIL."""
        trial = self._pending.pop(trial_id, None)
        if trial is None:
            return
        values = None if error or not result else self._values(result)
        if values is None:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, values)

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the store is the record, and Ray's snapshot is not used."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: a resume is a new run over the same store."""
        raise NotImplementedError("the study is rebuilt from the store")

    def _suggestion(self, sampled: dict[str, Any], config: TrialConfig) -> dict[str, Any]:
        number, self._number = self._number, self._number + 1
        return {
            "number": number,
            "trial": config.model_dump(),
            "sampled": sampled,
            "control": config.is_control,
        }

    def _values(self, result: dict[str, Any]) -> list[float] | None:
        measurement: Measurement | None = result.get("measurement")
        if measurement is None or result.get("failure"):
            return None
        values = [measurement.metrics[objective.name] for objective in self._objectives]
        return values if all(map(math.isfinite, values)) else None

"""Study of a sweep: Optuna's ask and tell over two objectives, the controls first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from objectives import Objective
from sweeps.spec import SearchSpace

__all__ = ["Study", "Suggestion"]


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Configuration that is to be tried next.

    Attributes:
        number: Counts from 0, in the order of the suggestions.
        seed: Of the run.
        config: The whole configuration, as plain data; its own seed is that of its first run.
        sampled: The part of it that the space sampled.
        control: Whether it is a control.
    """

    number: int
    seed: int
    config: Mapping[str, Any]
    sampled: Mapping[str, Any]
    control: bool


class Study:
    """Suggests the controls first, then what the sampler asks for, until the budget is spent.

    Controls lie outside the space, so the sampler is not told of them.

    Args:
        space: What is sampled.
        objectives: Names and directions of the two values.
        trials: Number of sampled trials.
        sampler: Any Optuna sampler of multi-objective studies.

    Attributes:
        study: Optuna's own, in memory.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        trials: int,
        sampler: BaseSampler,
    ) -> None:
        self._space = space
        self._objectives = tuple(objectives)
        self._left = trials
        self._controls = space.controls()
        self._number = 0
        self._pending: dict[int, optuna.Trial] = {}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(
            directions=[objective.direction for objective in objectives], sampler=sampler
        )

    @property
    def total(self) -> int:
        """Number of suggestions, made and to be made."""
        return self._number + self.left

    @property
    def left(self) -> int:
        """Number of suggestions to be made."""
        return len(self._controls) + self._left

    def ask(self) -> Suggestion | None:
        """Return the next suggestion; None when the budget is spent."""
        if self._controls:
            sampled, config = self._controls.pop(0)
        elif self._left:
            self._left -= 1
            trial = self._pending[self._number] = self.study.ask()
            sampled = self._space.suggest(trial)
            config = self._space.config(sampled)
        else:
            return None
        number, self._number = self._number, self._number + 1
        plain = config.model_dump(mode="json")
        return Suggestion(
            number=number,
            seed=plain["seed"],
            config=plain,
            sampled=sampled,
            control=self._space.is_control(config),
        )

    def tell(self, number: int, metrics: Mapping[str, float] | None) -> None:
        """Tell how a trial ended: COMPLETE with both values, or FAIL; a second time is no news.

        Args:
            number: Of the suggestion.
            metrics: What the trial scored; None if it failed.
        """
        trial = self._pending.pop(number, None)
        if trial is None:
            return
        values = [(metrics or {}).get(each.name, math.nan) for each in self._objectives]
        if not all(map(math.isfinite, values)):
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, values)

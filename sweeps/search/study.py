"""Study of a sweep: Optuna's ask and tell over two objectives, controls and defaults first."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from objectives import Objective
from sweeps.spec import Opening, SearchSpace

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
        purpose: What its measurements may decide: ``SEARCH``, ``REPORT`` or ``CONFIRM``, as
            `sweeps.store.Purpose`.
        keep: Whether the weights that the run trains are to be kept.
    """

    number: int
    seed: int
    config: Mapping[str, Any]
    sampled: Mapping[str, Any]
    control: bool
    purpose: str = "SEARCH"
    keep: bool = False


class Study:
    """Suggests the openings first, then what the sampler asks for, until the budget is spent.

    The openings are, for each control, itself, the default and the centre of the space. Controls
    come on top of the budget, and lie outside the space: of them, and of a default that does, the
    sampler is not told.

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
        openings = space.openings()
        self._openings = deque(_within(openings, trials))
        controls = sum(opening.role == "control" for opening in self._openings)
        self._left = trials - (len(self._openings) - controls)
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
        return len(self._openings) + self._left

    def ask(self) -> Suggestion | None:
        """Return the next suggestion; None when the budget is spent."""
        sampled: Mapping[str, Any]
        if self._openings:
            opening = self._openings.popleft()
            sampled, config = opening.sampled, opening.config
            if opening.drawn is not None:
                self.study.enqueue_trial(dict(opening.drawn))
                self._space.suggest(self._asked())
        elif self._left:
            self._left -= 1
            sampled = self._space.suggest(self._asked())
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

    def _asked(self) -> optuna.Trial:
        """Ask Optuna for a trial, of which `tell` will tell it."""
        self._pending[self._number] = self.study.ask()
        return self._pending[self._number]

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


def _within(openings: Sequence[Opening], trials: int) -> Iterator[Opening]:
    """Yield the controls, and of the other openings as many as there are trials."""
    for opening in openings:
        if opening.role != "control":
            if not trials:
                continue
            trials -= 1
        yield opening

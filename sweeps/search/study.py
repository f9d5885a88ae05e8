"""Study of a sweep: Optuna's ask and tell over two objectives, controls and defaults first."""

import json
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel

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
        drawn: What the sampler drew for it, as plain JSON data: Optuna's ``params``,
            ``distributions`` and ``attributes``; None where it comes from no sampler.
    """

    number: int
    seed: int
    config: Mapping[str, Any]
    sampled: Mapping[str, Any]
    control: bool
    purpose: str = "SEARCH"
    keep: bool = False
    drawn: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Number and seed, of which every run has its own."""
        return self.number, self.seed


class SamplerOf(Protocol):
    """Maker of the sampler that draws the suggestion of a number."""

    def __call__(self, *, number: int) -> BaseSampler:
        """Return a sampler that depends on nothing but the number."""


class Study:
    """Suggests the openings first, then what the sampler asks for, until the budget is spent.

    The openings are, for each control, itself, the default and the centre of the space. Controls
    come on top of the budget, and lie outside the space: of them, and of a default that does, the
    sampler is not told.

    A suggestion depends on what was suggested before and on what is told of it, and on nothing
    else: Optuna's study is made anew for each, with a sampler of its own. So a study that is
    restored goes on as the one before would have.

    Args:
        space: What is sampled.
        objectives: Names and directions of the two values.
        trials: Number of sampled trials.
        sampler: Makes the sampler of each suggestion, one of multi-objective studies.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        trials: int,
        sampler: SamplerOf,
    ) -> None:
        self._space = space
        self._objectives = tuple(objectives)
        self._trials = trials
        self._sampler = sampler
        self._suggested: dict[int, Suggestion] = {}
        self._told: dict[int, list[float] | None] = {}
        self._openings: deque[Opening] = deque()
        self._left = self._next = 0
        self.restore(())
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def restore(self, suggestions: Iterable[Suggestion], *, after: int = -1) -> None:
        """Take some suggestions for made, and forget any other.

        Args:
            suggestions: Of a study of the same space and objectives.
            after: The highest number that is taken, also by what is no suggestion of the study.
        """
        self._suggested = {each.number: each for each in suggestions}
        self._told = {}
        self._next = max([after, *self._suggested]) + 1
        made = [each.config for each in self._suggested.values()]
        openings = _within(self._space.openings(), self._trials)
        self._openings = deque(each for each in openings if _plain(each.config) not in made)
        sampled = [each for each in self._suggested.values() if not each.control]
        waiting = [each for each in self._openings if each.role != "control"]
        self._left = max(0, self._trials - len(sampled) - len(waiting))

    @property
    def total(self) -> int:
        """Number of suggestions, made and to be made."""
        return len(self._suggested) + self.left

    @property
    def left(self) -> int:
        """Number of suggestions to be made."""
        return len(self._openings) + self._left

    @property
    def study(self) -> optuna.Study:
        """Optuna's own of what the sampler is told, in memory; what has not ended is RUNNING."""
        study = optuna.create_study(
            directions=[objective.direction for objective in self._objectives],
            sampler=self._sampler(number=self._next),
        )
        study.add_trials(
            _frozen(each.drawn, self._told.get(number), ended=number in self._told)
            for number, each in sorted(self._suggested.items())
            if each.drawn is not None
        )
        return study

    def ask(self) -> Suggestion | None:
        """Return the next suggestion; None when the budget is spent."""
        drawn: Mapping[str, Any] | None = None
        sampled: Mapping[str, Any]
        if self._openings:
            opening = self._openings.popleft()
            sampled, config = opening.sampled, opening.config
            if opening.drawn is not None:
                _, drawn = self._draw(fixed=opening.drawn)
        elif self._left:
            self._left -= 1
            sampled, drawn = self._draw()
            config = self._space.config(sampled)
        else:
            return None
        number, self._next = self._next, self._next + 1
        plain = _plain(config)
        self._suggested[number] = Suggestion(
            number=number,
            seed=plain["seed"],
            config=plain,
            sampled=sampled,
            control=self._space.is_control(config),
            drawn=drawn,
        )
        return self._suggested[number]

    def tell(self, number: int, metrics: Mapping[str, float] | None) -> None:
        """Tell how a trial ended: COMPLETE with both values, or FAIL; the last word counts.

        Args:
            number: Of the suggestion.
            metrics: What the trial scored; None if it failed.
        """
        values = [(metrics or {}).get(each.name, math.nan) for each in self._objectives]
        self._told[number] = values if all(map(math.isfinite, values)) else None

    def _draw(
        self, fixed: Mapping[str, Any] | None = None
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Let the sampler draw, or take what is given; return fields, and what was drawn."""
        study = self.study
        if fixed is not None:
            study.enqueue_trial(dict(fixed))
        sampled = self._space.suggest(study.ask())
        trial = study.get_trials(deepcopy=False)[-1]
        distributions = trial.distributions.items()
        return sampled, {
            "params": trial.params,
            "distributions": {
                name: json.loads(distribution_to_json(d)) for name, d in distributions
            },
            "attributes": trial.system_attrs,
        }


def _frozen(
    drawn: Mapping[str, Any], values: Sequence[float] | None, *, ended: bool
) -> FrozenTrial:
    """Return a trial as Optuna has it."""
    state = TrialState.FAIL if ended else TrialState.RUNNING
    return optuna.create_trial(
        state=state if values is None else TrialState.COMPLETE,
        values=values,
        params=dict(drawn["params"]),
        distributions={
            name: json_to_distribution(json.dumps(each))
            for name, each in drawn["distributions"].items()
        },
        system_attrs=dict(drawn["attributes"]),
    )


def _plain(config: BaseModel) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _within(openings: Sequence[Opening], trials: int) -> Iterator[Opening]:
    """Yield the controls, and of the other openings as many as there are trials."""
    for opening in openings:
        if opening.role != "control":
            if not trials:
                continue
            trials -= 1
        yield opening

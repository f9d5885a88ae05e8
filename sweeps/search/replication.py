"""Replication of trials: which configuration is trained next, and under which seed."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from objectives import Objective
from sweeps.estimates import Array, Posterior, posterior_of, scaled, unscaled
from sweeps.search.allocation import worth_of_one_more
from sweeps.search.reports import Reports
from sweeps.search.samplers import make_sampler
from sweeps.search.study import Study, Suggestion
from sweeps.spec import Seeds, SweepSpec

__all__ = ["ReplicatedStudy", "study_of"]

# Runs of each control where seeds are automatic: what the noise is first measured with.
_OF_A_CONTROL: Final = 2


class ReplicatedStudy:
    """Hands out the runs of a study: each suggestion under its own seed, then under further ones.

    With a number of seeds every configuration is trained under so many. With ``auto`` each control
    is trained under two, which measures the noise, each other configuration under one, and then
    what is left of the budget goes, run by run, where it tells most about the front
    (`sweeps.search.allocation`). The k-th run of every configuration has the k-th seed, so that
    configurations are compared under common ones.

    Args:
        study: Suggests configurations; nothing else may ask it.
        objectives: Names, directions and scales of the two values.
        seeds: Seeds of each configuration, or ``auto``.
        replicates: With ``auto``, how many runs come on top of one for each configuration.
        reports: Plans what comes last, when all that was searched has ended; None: nothing does.

    Attributes:
        configurations: Number of configurations.
        total: Number of runs, at most.
    """

    def __init__(
        self,
        study: Study,
        objectives: Sequence[Objective],
        *,
        seeds: Seeds = 1,
        replicates: int = 0,
        reports: Reports | None = None,
    ) -> None:
        self._study = study
        self._objectives = tuple(objectives)
        self._signs: Array = np.array([each.sign for each in objectives])
        self._seeds = seeds
        self._left = replicates if seeds == "auto" else 0
        self._suggested: dict[int, Suggestion] = {}
        self._started: Counter[int] = Counter()
        self._running: Counter[int] = Counter()
        self._values: dict[int, list[Array]] = {}
        self._queue: deque[int] = deque()
        self._reports = reports
        self._reporting: deque[Suggestion] | None = None if reports else deque()
        self.configurations = study.total
        self.total = study.total * (1 if seeds == "auto" else seeds) + self._left
        self.total += reports.runs if reports else 0

    @property
    def done(self) -> bool:
        """Whether `ask` will never again have a run, whatever is told."""
        return self._searched and not self._reporting and self._reporting is not None

    @property
    def _searched(self) -> bool:
        if self._study.left or self._queue or self._running:
            return False
        return not (self._left and self._values)

    def ask(self) -> Suggestion | None:
        """Return the next run; None while there is none, which what is told may change."""
        if not self._queue and self._study.left:
            suggestion = self._study.ask()
            assert suggestion is not None
            self._suggested[suggestion.number] = suggestion
            return self._begin(suggestion.number)
        if self._queue:
            return self._begin(self._queue.popleft())
        number = self._most_telling() if self._left and self._values else None
        if number is None:
            return self._report()
        self._left -= 1
        return self._begin(number)

    def tell(self, number: int, metrics: Mapping[str, float] | None) -> None:
        """Take note of how a run of a configuration ended.

        Args:
            number: Of the suggestion.
            metrics: What it scored; None if it failed.
        """
        if self._reports and self._reporting is not None:
            return  # the search is over, and what reports decides nothing
        self._running -= Counter([number])
        values = [(metrics or {}).get(each.name, np.nan) for each in self._objectives]
        first = self._started[number] == 1
        if np.isfinite(values).all():
            self._values.setdefault(number, []).append(scaled(np.array(values), self._objectives))
            if first:
                self._queue.extend([number] * self._further(number))
        if not self._running[number] and number not in self._queue:
            self._study.tell(number, self._told(number))

    def _report(self) -> Suggestion | None:
        """Return the next run that reports on what was chosen."""
        if self._reports and self._reporting is None and self._searched:
            self._reporting = deque(self._reports.plan(self._suggested))
        return self._reporting.popleft() if self._reporting else None

    def _begin(self, number: int) -> Suggestion:
        suggestion = self._suggested[number]
        seed = suggestion.seed + self._started[number]
        self._started[number] += 1
        self._running[number] += 1
        return replace(suggestion, seed=seed)

    def _further(self, number: int) -> int:
        """Return how many runs follow the first of a configuration at once."""
        if self._seeds != "auto":
            return self._seeds - 1
        if not self._suggested[number].control or not self._left:
            return 0
        further = min(_OF_A_CONTROL - 1, self._left)
        self._left -= further
        return further

    def _most_telling(self) -> int | None:
        """Return the configuration to train once more; None where no run would tell anything."""
        numbers = list(self._values)
        posterior = self._posterior(numbers)
        if posterior is None:
            return min(numbers, key=lambda number: (self._started[number], number))
        running = np.array([self._running[number] for number in numbers])
        worth = worth_of_one_more(
            posterior.expecting(running), self._signs, seed=sum(self._started.values())
        )
        best = int(np.argmax(worth))
        if worth[best] > 0:
            return numbers[best]
        if not self._running:
            self._left = 0  # nothing will change that
        return None

    def _posterior(self, numbers: Sequence[int]) -> Posterior | None:
        counts = [len(self._values[number]) for number in numbers]
        values = np.array([value for number in numbers for value in self._values[number]])
        return posterior_of(values, np.repeat(np.arange(len(numbers)), counts))

    def _told(self, number: int) -> Mapping[str, float] | None:
        """Return what the sampler is told of a configuration: its shrunken values."""
        if number not in self._values:
            return None
        numbers = list(self._values)
        posterior = self._posterior(numbers)
        if posterior is None:
            point, noise = np.mean(self._values[number], axis=0), np.zeros((2, 2))
        else:
            point, noise = posterior.mean[numbers.index(number)], posterior.noise
        values = unscaled(point, self._objectives, noise=noise)
        return {each.name: float(v) for each, v in zip(self._objectives, values, strict=True)}


def study_of(
    spec: SweepSpec, *, chosen: Callable[[], Sequence[int]] = lambda: ()
) -> ReplicatedStudy:
    """Return the study that a spec describes, of which nothing has been asked.

    Args:
        spec: The sweep.
        chosen: Says at the end of the search which configurations it chose, by number, the most
            important first: fresh seeds report on these.
    """
    budget, objectives = spec.budget, spec.objective_records()
    study = Study(
        spec.search_space(),
        objectives,
        trials=budget.trials,
        sampler=make_sampler(spec.sampler, seed=spec.seed),
    )
    replicates = budget.trials if budget.replicates is None else budget.replicates
    reports = Reports(spec.kind.rules.control, chosen, runs=budget.reports)
    return ReplicatedStudy(
        study,
        objectives,
        seeds=spec.seeds,
        replicates=replicates,
        reports=reports if spec.seeds == "auto" and reports.runs else None,
    )

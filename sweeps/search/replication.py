"""Replication of trials: which configuration is trained next, and under which seed."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Final

import numpy as np
import optuna

from objectives import Objective
from sweeps.estimates import Array, Posterior, posterior_of, scaled, unscaled
from sweeps.search.allocation import worth_of_one_more
from sweeps.search.reports import Reports
from sweeps.search.samplers import make_sampler
from sweeps.search.study import Study, Suggestion
from sweeps.spec import Seeds, SweepSpec

__all__ = ["PastRun", "ReplicatedStudy", "study_of"]

# Runs of each control where seeds are automatic: what the noise is first measured with.
_OF_A_CONTROL: Final = 2


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A run that was handed out before.

    Attributes:
        suggestion: As it was handed out.
        ended: Whether it has ended; otherwise it is to be handed out again.
        metrics: What it scored; None if it failed.
    """

    suggestion: Suggestion
    ended: bool
    metrics: Mapping[str, float] | None = None


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
        self._replicates = replicates if seeds == "auto" else 0
        self._reports = reports
        self.restore({}, ())

    def restore(self, known: Mapping[int, Suggestion], runs: Iterable[PastRun]) -> None:
        """Take some runs for handed out, and forget all others.

        What did not end is handed out again, first of all; then it goes on as the study would have
        that handed these out.

        Args:
            known: All configurations there are, by number, also those that only report.
            runs: In the order in which they started.
        """
        runs = [each for each in runs if each.suggestion.purpose != "CONFIRM"]
        searched = [each for each in runs if each.suggestion.purpose == "SEARCH"]
        own = {each.suggestion.number for each in searched}
        self._study.restore([known[number] for number in sorted(own)], after=max(known, default=-1))
        self._known = dict(known)
        self._seeds_of: dict[int, set[int]] = defaultdict(set)
        for each in searched:
            self._seeds_of[each.suggestion.number].add(each.suggestion.seed)
        self._running: Counter[int] = Counter()
        self._values: dict[int, dict[int, Array]] = {}
        self._owed: Counter[int] = Counter()
        self._again = deque(Reports.as_planned(e.suggestion, known) for e in runs if not e.ended)
        self._out: set[tuple[int, int]] = set()
        self._reported = {
            each.suggestion.key for each in runs if each.suggestion.purpose == "REPORT"
        }
        self._reporting: deque[Suggestion] | None = None if self._reports else deque()
        self._left = self._replicates - sum(len(seeds) - 1 for seeds in self._seeds_of.values())
        for each in searched:
            self._running[each.suggestion.number] += not each.ended
            if each.ended:
                self._note(each.suggestion, each.metrics)
        for number in sorted(self._values):
            self._owed[number] = self._further(number)

    @property
    def configurations(self) -> int:
        """Number of configurations."""
        return self._study.total

    @property
    def total(self) -> int:
        """Number of runs, at most."""
        each = 1 if self._seeds == "auto" else self._seeds
        reports = self._reports.runs if self._reports else 0
        return self._study.total * each + self._replicates + reports

    @property
    def done(self) -> bool:
        """Whether `ask` will never again have a run, whatever is told."""
        if self._again or self._out or self._reporting is None:
            return False
        return self._searched and not self._reporting

    @property
    def _searched(self) -> bool:
        if self._study.left or any(self._owed.values()) or any(self._running.values()):
            return False
        return not (self._left > 0 and self._values)

    def ask(self) -> Suggestion | None:
        """Return the next run; None while there is none, which what is told may change."""
        run = self._again.popleft() if self._again else self._new()
        if run is not None:
            self._out.add(run.key)
        return run

    def _new(self) -> Suggestion | None:
        """Return the next run that was never handed out."""
        owed = min((number for number, runs in self._owed.items() if runs), default=None)
        if owed is not None:
            self._owed[owed] -= 1
            return self._begin(owed)
        if self._study.left:
            return self._begin(self._suggested().number)
        number = self._most_telling() if self._left > 0 and self._values else None
        if number is None:
            return self._report()
        self._left -= 1
        return self._begin(number)

    def tell(self, run: Suggestion, metrics: Mapping[str, float] | None) -> None:
        """Take note of how a run ended.

        Args:
            run: As it was handed out.
            metrics: What it scored; None if it failed.
        """
        self._out.discard(run.key)
        if run.purpose != "SEARCH":
            return  # what reports decides nothing
        first = self._begun(run.number) == 1
        self._running[run.number] -= 1
        if self._note(run, metrics) and first:
            self._owed[run.number] = self._further(run.number)

    def lost(self, run: Suggestion) -> None:
        """Take note that a run ended by no fault of its own: it is handed out again, soon."""
        self._out.discard(run.key)
        self._again.append(run)

    def _note(self, run: Suggestion, metrics: Mapping[str, float] | None) -> bool:
        """Keep what a run scored; return whether it did."""
        values = np.array([(metrics or {}).get(each.name, np.nan) for each in self._objectives])
        if not np.isfinite(values).all():
            if run.number not in self._values:
                self._study.tell(run.number, None)
            return False
        self._values.setdefault(run.number, {})[run.seed] = scaled(values, self._objectives)
        return True

    @property
    def study(self) -> optuna.Study:
        """Optuna's study of what the sampler is told now: shrunken values, in memory."""
        self._inform()
        return self._study.study

    def _inform(self) -> None:
        """Tell the study what is known of each configuration."""
        for number, values in self._shrunken().items():
            self._study.tell(number, values)

    def _suggested(self) -> Suggestion:
        """Return a new configuration, suggested by what is known of all others."""
        self._inform()
        suggestion = self._study.ask()
        assert suggestion is not None
        self._known[suggestion.number] = suggestion
        return suggestion

    def _report(self) -> Suggestion | None:
        """Return the next run that reports on what was chosen."""
        if self._reports and self._reporting is None and self._searched:
            planned = self._reports.plan(self._known)
            self._reporting = deque(run for run in planned if run.key not in self._reported)
        return self._reporting.popleft() if self._reporting else None

    def _begin(self, number: int) -> Suggestion:
        suggestion = self._known[number]
        # Of runs side by side a later one may have started, and one before it not, when all died.
        begun = self._seeds_of[number]
        seed = next(each for each in count(suggestion.seed) if each not in begun)
        begun.add(seed)
        self._running[number] += 1
        return replace(suggestion, seed=seed)

    def _begun(self, number: int) -> int:
        return len(self._seeds_of[number])

    def _further(self, number: int) -> int:
        """Return how many runs follow those of a configuration at once, after its first."""
        if self._seeds != "auto":
            return self._seeds - self._begun(number)
        if not self._known[number].control:
            return 0
        further = max(0, min(_OF_A_CONTROL - self._begun(number), self._left))
        self._left -= further
        return further

    def _most_telling(self) -> int | None:
        """Return the configuration to train once more; None where no run would tell anything."""
        numbers = sorted(self._values)
        posterior = self._posterior(numbers)
        if posterior is None:
            return min(numbers, key=lambda number: (self._begun(number), number))
        running = np.array([self._running[number] for number in numbers])
        worth = worth_of_one_more(
            posterior.expecting(running), self._signs, seed=sum(map(len, self._seeds_of.values()))
        )
        best = int(np.argmax(worth))
        if worth[best] > 0:
            return numbers[best]
        if not any(self._running.values()):
            self._left = 0  # nothing will change that
        return None

    def _posterior(self, numbers: Sequence[int]) -> Posterior | None:
        runs = [self._runs(number) for number in numbers]
        owners = np.repeat(np.arange(len(numbers)), [len(each) for each in runs])
        return posterior_of(np.concatenate(runs), owners) if runs else None

    def _runs(self, number: int) -> Array:
        """Return what the runs of a configuration scored by seed, runs x 2."""
        return np.array([values for _, values in sorted(self._values[number].items())])

    def _shrunken(self) -> dict[int, Mapping[str, float]]:
        """Return what is known of each configuration: its shrunken values."""
        numbers = sorted(self._values)
        if not numbers:
            return {}
        posterior = self._posterior(numbers)
        if posterior is None:
            points, noise = np.array([self._runs(n).mean(0) for n in numbers]), np.zeros((2, 2))
        else:
            points, noise = posterior.mean, posterior.noise
        rows = unscaled(points, self._objectives, noise=noise).tolist()
        names = [each.name for each in self._objectives]
        return {n: dict(zip(names, row, strict=True)) for n, row in zip(numbers, rows, strict=True)}


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
        sampler=partial(make_sampler, spec.sampler, seed=spec.seed),
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

"""Reports: runs under fresh seeds of what was chosen, and of what it is held against.

The seeds that chose a configuration speak too well of it. These have chosen nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from sweeps.search.references import Group, fresh_seed, groups_of, under_fresh_seed
from sweeps.search.study import Suggestion
from sweeps.spec import ControlRule

__all__ = ["Reports"]

_BLOCK: Final = 1
# So many fresh seeds has every chosen one before any has more: fewer tell nothing of the noise.
_AT_LEAST: Final = 2


class Reports:
    """Planner of reports, within a budget of runs.

    Each chosen configuration is trained with its references (the same configuration with what is
    judged switched off, and at its published values) under the same fresh seeds: the chosen first
    one under two, then the next; what is left goes round for further seeds. A reference that
    several share is trained once. Of each, the weights under the first fresh seed are kept: not
    those of the best run, which would be to choose by luck.

    Args:
        rule: What the references are; None: there are none.
        chosen: Says which were chosen, by number, the most important first; asked once.
        runs: How many there may be.
    """

    def __init__(
        self, rule: ControlRule | None, chosen: Callable[[], Sequence[int]], *, runs: int
    ) -> None:
        self._rule = rule
        self._chosen = chosen
        self.runs = runs

    def plan(self, suggested: Mapping[int, Suggestion]) -> list[Suggestion]:
        """Return the runs; references that were never suggested have the numbers that follow."""
        groups = groups_of(self._rule, suggested, self._chosen(), block=_BLOCK)
        first = fresh_seed(suggested, block=_BLOCK)
        planned: dict[tuple[int, int], Suggestion] = {}
        for group, k in _rounds(groups):
            runs = under_fresh_seed(group, first + k, purpose="REPORT")
            with_these = planned | {each.key: each for each in runs}
            if len(with_these) > self.runs:
                break
            planned = with_these
        return [self.as_planned(each, suggested) for each in planned.values()]

    @staticmethod
    def as_planned(run: Suggestion, suggested: Mapping[int, Suggestion]) -> Suggestion:
        """Return a report with whether its weights are kept."""
        return replace(run, keep=run.seed == fresh_seed(suggested, block=_BLOCK))


def _rounds(groups: Sequence[Group]) -> Iterator[tuple[Group, int]]:
    """Yield the groups, each with the number of a fresh seed, for ever."""
    for group in groups:
        for k in range(_AT_LEAST):
            yield group, k
    for k in count(_AT_LEAST) if groups else ():
        for group in groups:
            yield group, k

"""Confirmations: runs of chosen configurations and of their references, all known in advance."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sweeps.search.references import BLOCK, fresh_seed, groups_of, under_fresh_seed
from sweeps.search.replication import PastRun
from sweeps.search.study import Suggestion
from sweeps.spec import ControlRule

__all__ = ["Confirmations"]

# Those before it are the search's and the reports'.
_FIRST: Final = 2


class Confirmations:
    """Hands out the runs that confirm chosen configurations, paired with their references'.

    Args:
        rule: What the references are; None: there are none.
        suggested: All configurations of the sweep, by number.
        chosen: Numbers of those to be confirmed; of each the first run is to be kept.
        seeds: Of each.
        attempt: How often the sweep was confirmed before; each time has seeds of its own.
        past: Runs of this very attempt that were handed out before it was interrupted.

    Attributes:
        total: Number of runs that are left.
        goes_on: Whether all runs of the past are among those that are asked for now.
    """

    def __init__(
        self,
        rule: ControlRule | None,
        suggested: Mapping[int, Suggestion],
        chosen: Sequence[int],
        *,
        seeds: int,
        attempt: int = 0,
        past: Sequence[PastRun] = (),
    ) -> None:
        block = _FIRST + attempt
        seed = fresh_seed(suggested, block=block)
        groups = groups_of(rule, suggested, chosen, block=block)
        runs = {
            each.key: each
            for k in range(seeds)
            for group in groups
            for each in under_fresh_seed(group, seed + k, purpose="CONFIRM")
        }
        own = range(seed, seed + BLOCK)
        ended = {e.suggestion.key: e.ended for e in past if e.suggestion.seed in own}
        self._runs = deque(
            replace(each, keep=each.number in chosen and each.seed == seed)
            for key, each in runs.items()
            if not ended.get(key)
        )
        self._out = 0
        self.total = len(self._runs)
        self.goes_on = ended.keys() <= runs.keys()

    @staticmethod
    def attempts(suggested: Mapping[int, Suggestion], seeds: Iterable[int]) -> int:
        """Return how many attempts the runs belong to that confirmed a sweep.

        Args:
            suggested: All configurations of the sweep, by number.
            seeds: Of these runs.
        """
        first = fresh_seed(suggested, block=_FIRST)
        return max(((seed - first) // BLOCK + 1 for seed in seeds), default=0)

    @property
    def done(self) -> bool:
        """Whether all have ended."""
        return not self._runs and not self._out

    def ask(self) -> Suggestion | None:
        """Return the next run; None while, or when, all are handed out."""
        self._out += bool(self._runs)
        return self._runs.popleft() if self._runs else None

    def tell(self, run: Suggestion, metrics: Mapping[str, float] | None) -> None:  # noqa: ARG002
        """Take note that a run has ended; nothing depends on how."""
        self._out -= 1

    def lost(self, run: Suggestion) -> None:
        """Take note that a run ended by no fault of its own: it is handed out again."""
        self._out -= 1
        self._runs.append(run)

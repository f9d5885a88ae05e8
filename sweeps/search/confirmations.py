"""Confirmations: runs of chosen configurations and of their references, all known in advance."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sweeps.search.references import BLOCK, groups_of, under_fresh_seed
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
        runs = {
            (each.number, each.seed): each
            for k in range(seeds)
            for group in groups_of(rule, suggested, chosen, block=block)
            for each in under_fresh_seed(group, k, block=block, purpose="CONFIRM")
        }
        first = {number: min(seed for n, seed in runs if n == number) for number in chosen}
        ended = {each.key: each.ended for each in past if _is_of(each, suggested, block)}
        self._runs = deque(
            replace(each, keep=each.seed == first.get(each.number))
            for key, each in runs.items()
            if not ended.get(key)
        )
        self._out = 0
        self.total = len(self._runs)
        self.goes_on = ended.keys() <= runs.keys()

    @staticmethod
    def attempts(offsets: Iterable[int]) -> int:
        """Return how many attempts some runs that confirm belong to.

        Args:
            offsets: Their seeds, each less that of its configuration.
        """
        return max((offset // BLOCK - _FIRST + 1 for offset in offsets), default=0)

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


def _is_of(run: PastRun, suggested: Mapping[int, Suggestion], block: int) -> bool:
    """Whether a run is of a block of seeds."""
    own = suggested[run.suggestion.number].config["seed"]
    return int(run.suggestion.seed - own) // BLOCK == block

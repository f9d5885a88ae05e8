"""Other allocations of training runs, published or after what was published, to hold ours against.

Each begins with one run of every configuration and then says, run by run, which one is trained
next. Values are costs, C x 2, both to be minimised.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from sweeps.estimates import Array, non_dominated

__all__ = ["ALLOCATIONS", "Allocation", "empirical_gaps", "least_rate"]


# Of the costs of the runs of each configuration, 2 each, the place of the one to train next.
Allocation = Callable[[Sequence[Sequence[Array]]], int]


class SuccessiveHalving:
    """EGE-SH: halving over seeds by empirical gaps (Kone et al., AISTATS 2024, arXiv 2311.03992).

    In each of its rounds, which have equal budgets, all active configurations get equally many
    runs; then the half is settled, in or out, whose gaps to the other verdict are the largest.

    Halves are rounded down, and so is the number of rounds.

    Args:
        total: Runs in all.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._active: list[int] = []
        self._queue: deque[int] = deque()

    def __call__(self, runs: Sequence[Sequence[Array]]) -> int:
        if not self._queue:
            held = np.array([np.mean(each, axis=0) for each in runs])
            self._active = self._hard(self._active or list(range(len(runs))), held)
            of_a_round = self._total // max(1, int(np.log2(len(runs))))
            each = max(1, of_a_round // len(self._active))
            self._queue.extend(self._active * each)
        return self._queue.popleft()

    @staticmethod
    def _hard(active: list[int], means: Array) -> list[int]:
        gaps = empirical_gaps(means[active])
        return [active[place] for place in np.argsort(gaps)[: max(2, len(active) // 2)]]


def empirical_gaps(costs: Array) -> Array:
    """Return how far each of C configurations is from the other verdict (Auer et al., 2016), C."""
    better = costs[None, :] - costs[:, None]  # of each other one, by how much its cost is more
    dominated_by = np.clip((-better).min(-1), 0, None)  # [i, j]: j beats i by so much, in both
    lacks = better.max(-1)  # [i, j]: so much j would have to gain to dominate i
    member = non_dominated(costs)
    gaps = np.where(member, np.inf, (dominated_by * member[None, :]).max(1))
    for i in np.flatnonzero(member):
        others = [j for j in np.flatnonzero(member) if j != i]
        for j in others:
            gaps[i] = min(gaps[i], lacks[i, j], lacks[j, i])
        for j in np.flatnonzero(~member):
            gaps[i] = min(gaps[i], max(lacks[j, i], 0.0) + gaps[j])
    return gaps


def least_rate(runs: Sequence[Sequence[Array]]) -> int:
    """Return the place whose next run makes the likeliest misclassification most unlikely.

    A greedy rule with the aim of SCORE, which solves for the shares in the limit of many
    configurations: the rates are those of large deviations of all ways to misclassify (Feldman and
    Hunter, ACM TOMACS 2018), a member that another one excludes, and a configuration that gets into
    a corner of the front. The least of them decides, and of those in it the one whose next run
    raises it most.
    """
    means = np.array([np.mean(each, axis=0) for each in runs])
    counts = np.array([len(each) for each in runs], dtype=float)
    involved, gaps = min(_events(means), key=lambda event: _rate(event[0], event[1], counts))

    def raised(place: int) -> float:
        more = counts.copy()
        more[place] += 1
        return _rate(involved, gaps, more)

    return max(involved, key=raised)


# Three configurations: the one misjudged, and those that it is held against in each objective;
# and by how much in each objective the order has to turn.
_Event = tuple[tuple[int, int, int], tuple[float, float]]


def _events(means: Array) -> Iterator[_Event]:
    front = sorted(np.flatnonzero(non_dominated(means)).tolist(), key=lambda i: means[i, 0])
    for i in front:
        for k in front:
            if i != k:
                short = np.clip(means[k] - means[i], 0, None)
                yield (i, k, k), (float(short[0]), float(short[1]))
    # Between two neighbours of the front is a corner that whoever dominates it is a member.
    corners = zip([None, *front], [*front, None], strict=True)
    for left, right in corners:
        for j in range(len(means)):
            if j in front:
                continue
            first = 0.0 if right is None else max(0.0, float(means[j, 0] - means[right, 0]))
            second = 0.0 if left is None else max(0.0, float(means[j, 1] - means[left, 1]))
            yield (
                (j, j if right is None else right, j if left is None else left),
                (first, second),
            )


def _rate(involved: tuple[int, int, int], gaps: tuple[float, float], counts: Array) -> float:
    mine, *others = involved
    noise = 1 / counts[mine] + 1 / counts[others]
    return float((np.square(gaps) / noise).sum())


# By name, what makes an allocation of so many runs in all.
ALLOCATIONS: Final[Mapping[str, Callable[[int], Allocation]]] = {
    "EGE-SH": SuccessiveHalving,
    "least rate (after SCORE)": lambda _: least_rate,
}

"""Slots of a sweep: how many of its trials there are to be at a time."""

import time
from collections.abc import Callable
from typing import Final

import ray

from sweeps.spec import Budget, Resources

__all__ = ["Slots"]

_SECONDS: Final = 1.0


class Slots:
    """Slots of a sweep on the nodes that Ray has, which are counted at most once a second.

    Args:
        resources: What a trial holds.
        budget: How many there may be at a time.
        grows: Whether there may come to be more nodes.
        clock: Seconds, from whenever.
    """

    def __init__(
        self,
        resources: Resources,
        budget: Budget,
        *,
        grows: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resources = resources
        self._most = budget.max_concurrent
        self._grows = grows
        self._clock = clock
        self._room, self._until = 0, -float("inf")

    def wanted(self) -> int:
        """Return how many trials there are to be, with those that wait for a process.

        As many as can run: what is suggested sooner has fewer results to go by. But a cluster comes
        to see that it is too small only where one more waits.
        """
        room = self._room_now()
        if self._grows:
            return self._most or room + 1
        return min(room, self._most or room)

    def _room_now(self) -> int:
        now = self._clock()
        if now >= self._until:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            fits = self._resources.fit
            self._room = sum(fits(cpus=n.get("CPU", 0), gpus=n.get("GPU", 0)) for n in nodes)
            self._until = now + _SECONDS
        return self._room

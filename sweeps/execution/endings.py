"""Endings of runs: decided once, on the driver, for the search and for the store alike."""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sweeps.execution.last_words import last_words_in
from sweeps.spec import Failures, is_lost
from sweeps.store import TrialState, redacted

__all__ = ["Ending", "Endings"]

# Processes, addresses and identifiers: what two reasons that are the same may differ in.
_PARTICULARS: Final = re.compile(r"\b(0x)?[0-9a-f]{8,}\b|\d+")

# So long after the loss of a node Ray may yet hand out processes of it.
_SETTLES_SECONDS: Final = 2.0
# So often a run may be lost before any process begins it.
_NEVER_BEGUN: Final = 100


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Ending of a run; no password of a URL is in what it says.

    Attributes:
        state: COMPLETE; FAILED, by its own doing; or LOST, by no doing of its own.
        kind: Kind of failure; None where there is none.
        reason: Why, in one line; None where it is COMPLETE.
        traceback: The stack of an error in the workload's code.
    """

    state: TrialState
    kind: str | None = None
    reason: str | None = None
    traceback: str | None = None


class Endings:
    """Judge of endings, who knows of all before.

    Runs that were under way side by side may be lost together, such as with their node: that is one
    loss. So one counts, against its run and towards a row, only where the run began after the last
    that counted. One that no process ever began was lost with the process: it counts towards a row
    unless a loss was noted a moment before, and more than a hundred of them fail its run.

    Args:
        policy: What becomes of runs that do not complete.
        clock: Seconds, from whenever.

    Attributes:
        trouble: Why no further run should begin; None where nothing speaks against it.
    """

    def __init__(self, policy: Failures, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._failures: Counter[tuple[str, int, int]] = Counter()
        self._losses = 0
        self._before: dict[tuple[int, int], int] = {}
        self._row, self._reason = 0, ""
        self._settled_at = -float("inf")
        self.trouble: str | None = None

    @property
    def settling(self) -> bool:
        """Whether a process was lost a moment ago, so that a run that begins now may be, too."""
        return self._clock() < self._settled_at

    def begins(self, number: int, seed: int) -> None:
        """Take note that a process begins a run.

        Args:
            number: The trial's.
            seed: Of the run.
        """
        self._before[number, seed] = self._losses

    def of_result(
        self, result: dict[str, Any], *, number: int, seed: int, last_epoch: int
    ) -> Ending | None:
        """Return how a run ended that has reported a result; None where it goes on.

        Args:
            result: As `sweeps.execution.trainable.TrialTrainable` returns it.
            number: The trial's.
            seed: Of the run.
            last_epoch: The rung at which its training ends.
        """
        if result["failure"]:
            return self._failed(result["kind"], result["failure"], number=number, seed=seed)
        self._row = 0
        ended = result["measurement"].epoch >= last_epoch
        return Ending(state=TrialState.COMPLETE) if ended else None

    def of_error(self, text: str, *, number: int, seed: int) -> Ending:
        """Return how a run ended whose actor failed.

        Args:
            text: What Ray keeps of the failure.
            number: The trial's.
            seed: Of the run.
        """
        text = redacted(text)
        reason = last_words_in(text)
        if '\n  File "' in text:
            ending = self._failed("error", reason, number=number, seed=seed)
            return replace(ending, traceback=text.strip())
        return self._failed("lost", reason, number=number, seed=seed)

    def _failed(self, kind: str, reason: str, *, number: int, seed: int) -> Ending:
        """Return LOST where the run is to be run again, else FAILED."""
        lost = is_lost(kind)
        before = self._before.pop((number, seed), None)
        never_begun, counts = lost and before is None, before == self._losses
        cause = "never begun" if never_begun else kind
        self._failures[cause, number, seed] += never_begun or counts or not lost
        if lost and (counts or (never_begun and not self.settling)):
            self._losses += counts
            self._note_loss(reason)
            if kind == "lost":
                self._settled_at = self._clock() + _SETTLES_SECONDS
        failures = self._failures[cause, number, seed]
        tolerated = _NEVER_BEGUN if never_begun else self._policy.tolerated(kind)
        again = failures <= tolerated or (lost and self.trouble is not None)
        if not again and failures > 1:
            reason = f"{failures} times: {reason}"
        state = TrialState.LOST if again else TrialState.FAILED
        return Ending(state=state, kind=kind, reason=reason)

    def _note_loss(self, reason: str) -> None:
        general = _PARTICULARS.sub("#", reason)
        self._row = self._row + 1 if general == self._reason else 1
        self._reason = general
        if self._row >= self._policy.losses_in_a_row:
            self.trouble = f"{self._row} runs in a row were lost: {reason}"

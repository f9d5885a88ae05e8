"""Endings of runs: decided once, on the driver, for the search and for the store alike."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from sweeps.execution.last_words import last_words_in
from sweeps.execution.opened_data import UNREADABLE
from sweeps.store import TrialState, redacted

__all__ = ["Ending", "Endings"]

# So often one run may be lost: what kills its process each time is its own doing.
_LOSSES_OF_A_RUN: Final = 3
# So many losses in a row, for the same reason: the next run would be lost, too.
_LOSSES_IN_A_ROW: Final = 5
# Processes, addresses and identifiers: what two reasons that are the same may differ in.
_PARTICULARS: Final = re.compile(r"\b(0x)?[0-9a-f]{8,}\b|\d+")


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
    that counted.

    Attributes:
        trouble: Why no further run should begin; None where nothing speaks against it.
    """

    def __init__(self) -> None:
        self._losses: Counter[tuple[int, int]] = Counter()
        self._before: dict[tuple[int, int], int] = {}
        self._row: list[str] = []
        self.trouble: str | None = None

    def begins(self, number: int, seed: int) -> None:
        """Take note that a run begins.

        Args:
            number: The trial's.
            seed: Of the run.
        """
        self._before[number, seed] = self._losses.total()

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
            if result.get("kind") == UNREADABLE:
                return self._lost(UNREADABLE, result["failure"], number=number, seed=seed)
            return Ending(state=TrialState.FAILED, kind="not scored", reason=result["failure"])
        self._row.clear()
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
            return Ending(
                state=TrialState.FAILED, kind="error", reason=reason, traceback=text.strip()
            )
        return self._lost("lost", reason, number=number, seed=seed)

    def _lost(self, kind: str, reason: str, *, number: int, seed: int) -> Ending:
        if self._before.get((number, seed)) in (None, self._losses.total()):
            self._losses[number, seed] += 1
            same = [each for each in self._row if _general(each) == _general(reason)]
            self._row = [*same, reason]
        if len(self._row) >= _LOSSES_IN_A_ROW:
            self.trouble = f"{len(self._row)} runs in a row were lost: {reason}"
        losses = self._losses[number, seed]
        if losses < _LOSSES_OF_A_RUN or self.trouble is not None:
            return Ending(state=TrialState.LOST, kind=kind, reason=reason)
        return Ending(state=TrialState.FAILED, kind=kind, reason=f"lost {losses} times: {reason}")


def _general(reason: str) -> str:
    return _PARTICULARS.sub("#", reason)

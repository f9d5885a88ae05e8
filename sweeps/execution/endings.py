"""Endings of runs: decided once, on the driver, for the search and for the store alike."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from sweeps.execution.last_words import last_words_in
from sweeps.store import TrialState

__all__ = ["Ending", "Endings"]

# So often one run may be lost: what kills its process each time is its own doing.
_LOSSES_OF_A_RUN: Final = 3
# So many runs in a row that are lost for the same reason: the next would be, too.
_LOSSES_IN_A_ROW: Final = 5


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Ending of a run.

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

    Attributes:
        trouble: Why no further run should begin; None where nothing speaks against it.
    """

    def __init__(self) -> None:
        self._losses: Counter[tuple[int, int]] = Counter()
        self._row: list[str] = []
        self.trouble: str | None = None

    def of_result(self, result: dict[str, Any], *, last_epoch: int) -> Ending | None:
        """Return how a run ended that has reported a result; None where it goes on.

        Args:
            result: As `sweeps.execution.trainable.TrialTrainable` returns it.
            last_epoch: The rung at which its training ends.
        """
        self._row.clear()
        if result["failure"]:
            kind = result.get("kind") or "not scored"
            return Ending(state=TrialState.FAILED, kind=kind, reason=result["failure"])
        ended = result["measurement"].epoch >= last_epoch
        return Ending(state=TrialState.COMPLETE) if ended else None

    def of_error(self, text: str, *, number: int, seed: int) -> Ending:
        """Return how a run ended whose actor failed.

        Args:
            text: What Ray keeps of the failure.
            number: The trial's.
            seed: Of the run.
        """
        reason = last_words_in(text)
        if '\n  File "' in text:
            return Ending(
                state=TrialState.FAILED, kind="error", reason=reason, traceback=text.strip()
            )
        self._losses[number, seed] += 1
        self._row.append(reason)
        if len(self._row) >= _LOSSES_IN_A_ROW:
            self.trouble = f"{len(self._row)} runs in a row were lost: {reason}"
        kind = "lost"
        if self._losses[number, seed] >= _LOSSES_OF_A_RUN:
            return Ending(
                state=TrialState.FAILED,
                kind=kind,
                reason=f"lost {self._losses[number, seed]} times: {reason}",
            )
        return Ending(state=TrialState.LOST, kind=kind, reason=reason)

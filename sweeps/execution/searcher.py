"""Ray searcher over a study of two objectives.

Our own, because Ray's ``OptunaSearch`` with two objectives tells stopped trials as complete,
leaves those that returned NaN running for ever, and so misleads the sampler.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from ray.tune.search import Searcher

from sweeps.search import Suggestion
from sweeps.store import WriteQueue, is_operational

__all__ = ["Asked", "StudySearcher"]


class Asked(Protocol):
    """Study that runs are asked of, such as a `sweeps.search.ReplicatedStudy`."""

    @property
    def done(self) -> bool:
        """Whether there will never again be a run."""

    def ask(self) -> Suggestion | None:
        """Return the next run; None while there is none."""

    def lost(self, run: Suggestion) -> None:
        """Take a run back, to be handed out again."""


class StudySearcher(Searcher):  # type: ignore[misc]  # Ray has no types
    """Hands the suggestions of a study to Ray; how runs end the study hears from the recorder.

    What Ray gets are the fields of a `sweeps.search.Suggestion`, and what is known of a run that
    is not handed out for the first time.

    Args:
        study: The study; nothing else may ask it.
        wanted: How many trials there may be at a time, with those that wait for a process.
        known: Maps a run to what else its process is told.
        writes: Where the store cannot take what there is to write, no run begins.
    """

    def __init__(
        self,
        study: Asked,
        wanted: Callable[[], int],
        known: Callable[[Suggestion], Mapping[str, Any]],
        writes: WriteQueue,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._study = study
        self._wanted = wanted
        self._known = known
        self._writes = writes
        self._live: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next run, ``Searcher.FINISHED``, or None while there is none, or enough."""
        self._writes.poll()
        if self._writes.pending or len(self._live) >= self._wanted():
            return None
        try:
            suggestion = self._study.ask()
        except Exception as error:
            if is_operational(error):  # what was chosen is read from the store
                return None
            raise
        if suggestion is None:
            return str(Searcher.FINISHED) if self._study.done else None
        try:
            known = self._known(suggestion)
        except Exception as error:
            if is_operational(error):
                self._study.lost(suggestion)
                return None
            raise
        self._live.add(trial_id)
        return {**asdict(suggestion), **known}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take note that a run has ended, and left its place to another."""
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the store is the record, and Ray's snapshot is not used."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: a resume is a new run over the same store."""
        raise NotImplementedError("the study is rebuilt from the store")

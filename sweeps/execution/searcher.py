"""Ray searcher over a study of two objectives.

Our own, because Ray's ``OptunaSearch`` with two objectives tells stopped trials as complete,
leaves those that returned NaN running for ever, and so misleads the sampler.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from ray.tune.search import Searcher

from sweeps.search import Suggestion

__all__ = ["StudySearcher"]


class Asked(Protocol):
    """Study that runs are asked of, such as a `sweeps.search.ReplicatedStudy`."""

    @property
    def done(self) -> bool:
        """Whether there will never again be a run."""

    def ask(self) -> Suggestion | None:
        """Return the next run; None while there is none."""

    def tell(self, number: int, metrics: Mapping[str, float] | None) -> None:
        """Take note of how a run of a configuration ended."""


class StudySearcher(Searcher):  # type: ignore[misc]  # Ray has no types
    """Hands the suggestions of a study to Ray, and the trials' ends back to the study.

    What Ray gets are the fields of a `sweeps.search.Suggestion`.

    Args:
        study: The study; nothing else may ask it.
        wanted: How many trials there may be at a time, with those that wait for a process.
    """

    def __init__(self, study: Asked, wanted: Callable[[], int]) -> None:
        super().__init__(metric=None, mode=None)
        self._study = study
        self._wanted = wanted
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next run, ``Searcher.FINISHED``, or None while there is none, or enough."""
        if len(self._numbers) >= self._wanted():
            return None
        suggestion = self._study.ask()
        if suggestion is None:
            return str(Searcher.FINISHED) if self._study.done else None
        self._numbers[trial_id] = suggestion.number
        return asdict(suggestion)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study what the run scored, or that it failed."""
        number = self._numbers.pop(trial_id, None)
        if number is not None:
            self._study.tell(number, None if error else _metrics(result or {}))

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the store is the record, and Ray's snapshot is not used."""

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: a resume is a new run over the same store."""
        raise NotImplementedError("the study is rebuilt from the store")


def _metrics(result: Mapping[str, Any]) -> Mapping[str, float] | None:
    measurement = result.get("measurement")
    if measurement is None or result.get("failure"):
        return None
    metrics: Mapping[str, float] = measurement.metrics
    return metrics

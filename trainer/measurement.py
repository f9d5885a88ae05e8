"""The measurement that a training run reports."""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.data import Split

__all__ = ["Measurement"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Scores of a training run at one rung, seed and split.

    Attributes:
        epoch: The rung, counted from 1.
        seed: Seed of the training run.
        split: The classes that were embedded.
        metrics: The scalars of `objectives.Score`, and ``train_loss`` (mean over the
            steps since the measurement before), ``train_seconds`` and ``score_seconds``;
            of a trial in a sweep `TrialRun`'s as well.
    """

    epoch: int
    seed: int
    split: Split
    metrics: Mapping[str, float]

"""What a trial reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["EvaluationSplit", "Measurement"]

EvaluationSplit = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a trial scored at one rung, seed and split.

    Attributes:
        epoch: The rung, counted from 1.
        seed: Seed of the training run.
        split: Which classes were embedded.
        metrics: The scalars of `objectives.Score`, and ``train_loss`` (mean over the epoch's
            steps), ``train_seconds`` and ``score_seconds``.
    """

    epoch: int
    seed: int
    split: EvaluationSplit
    metrics: Mapping[str, float]

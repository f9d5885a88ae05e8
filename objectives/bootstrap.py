"""Confidence intervals of a score, over classes."""

from typing import Final

import torch
from torch import Tensor

from objectives.consistency import mean_over_range
from objectives.mean_interval import mean_interval
from objectives.score import Score

__all__ = ["bootstrap_intervals"]

# Resamples drawn at once: 32 MiB of counts at 100 000 classes.
_CHUNK: Final = 40


def bootstrap_intervals(
    score: Score, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return intervals of Recall@1, OPIS, its noise floor and OPIS corrected, over classes.

    Classes, not samples or pairs, are drawn with replacement (Efron, 1979), for a model is to be
    judged by classes that it has not seen, and pairs of one class depend on each other. Nothing is
    multiplied again: a draw weights each class's hits and utility curve by how often it was drawn.
    The calibration range and each class's negatives stay those of the whole set; of queries and a
    gallery, a class is drawn with both. Since OPIS is a
    variance over classes, C drawn classes give C / (C - 1) times too little on average, which is
    corrected for (except with the pooled mean, where it is none).

    The intervals of the floor and of OPIS corrected rest on the classes' parts of them, by
    `mean_interval`: resampled classes would bring new noise into what is corrected for it.

    Args:
        score: What `score_embeddings` returned.
        level: Share of the resamples within an interval, in (0, 1).
        resamples: Number of draws, at least 1.
        seed: Of the draws; equal seeds give equal intervals.

    Returns:
        (low, high) by name: ``recall_at_1``, ``opis``, ``opis_floor`` and ``opis_corrected``; NaN
        where the score is NaN.

    Raises:
        ValueError: ``level`` or ``resamples`` is out of its range.
    """
    if not 0 < level < 1:
        raise ValueError(f"level ({level}) must lie between 0 and 1")
    if resamples < 1:
        raise ValueError(f"resamples ({resamples}) must be at least 1")
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        _draw(score, min(_CHUNK, resamples - start), generator)
        for start in range(0, resamples, _CHUNK)
    ]
    recall, opis = (torch.cat(values) for values in zip(*drawn, strict=True))
    return {
        "recall_at_1": _interval(recall, level),
        "opis": _interval(opis, level),
        "opis_floor": mean_interval(score.noise.floors, level),
        "opis_corrected": mean_interval(score.noise.corrected, level),
    }


def _draw(score: Score, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return Recall@1 and OPIS of some resamples."""
    plural, device = len(score.classes), score.utility.device
    every = plural + score.singletons
    picks = torch.randint(every, (count, every), generator=generator)
    times = torch.zeros(count, every, dtype=torch.float64).scatter_add_(
        1, picks, torch.ones_like(picks, dtype=torch.float64)
    )
    weights = times[:, :plural].to(device)
    samples = weights @ score.samples.double()
    samples += times[:, plural:].to(device) @ score.unpaired.double()
    recall = weights @ score.hits.double() / samples
    return recall.cpu(), _opis(score, weights).cpu()


def _opis(score: Score, weights: Tensor) -> Tensor:
    """OPIS of each resample; weights are draws x C."""
    deviation = score.utility - score.centre
    drawn = weights.sum(1, keepdim=True)
    square = weights @ deviation.square() / drawn
    if score.pooled:
        return mean_over_range(square, score.thresholds)
    shift = weights @ deviation / drawn
    # A variance of the drawn about their own mean is too small by that mean's.
    factor = len(deviation) / max(1, len(deviation) - 1)
    return mean_over_range((square - shift.square()).clamp(min=0), score.thresholds) * factor


def _interval(values: Tensor, level: float) -> tuple[float, float]:
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.nanquantile(values, ends).tolist()  # NaN: no class with a pair was drawn
    return low, high

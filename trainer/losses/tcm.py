"""The threshold-consistent margin (TCM) loss."""

import math

import torch
from torch import Tensor, nn

from trainer.losses.similarity import unit_pairs

__all__ = ["TCMLoss", "tcm_loss"]


def tcm_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin_positive: float,
    margin_negative: float,
    weight_positive: float = 1.0,
    weight_negative: float = 1.0,
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Return the TCM loss of a batch (Zhang et al., ICLR 2024, arXiv 2307.04047).

    ``weight_positive * mean(margin_positive - s)`` over the positive pairs with cosine similarity
    ``s <= margin_positive``, plus ``weight_negative * mean(s - margin_negative)`` over the negative
    pairs with ``s >= margin_negative``. A term without such a hard pair is 0. Positive pairs share
    a label, and no sample is paired with itself. A NaN embedding makes the loss NaN.

    Takes ``O(B^2)`` memory besides the embeddings, and never waits for the device. The gradient is
    worked out with the loss; it cannot be differentiated again.

    Args:
        embeddings: ``B x D``, B >= 1, of any norm; L2-normalised here.
        labels: ``B``, integers.
        margin_positive: Cosine similarity that positive pairs should exceed.
        margin_negative: Cosine similarity that negative pairs should stay below.
        weight_positive: Weight of the positive term, >= 0.
        weight_negative: Weight of the negative term, >= 0.
        ref_embeddings: ``M x D`` other samples than the batch's. Where given, the pairs are all of
            one sample of the batch and one of these, and only those; gradients flow into these too.
        ref_labels: ``M``, integers.

    Returns:
        Scalar, float32 (float64 for float64 embeddings).

    Raises:
        ValueError: ``margin_positive <= margin_negative``, a weight is negative or not finite, a
            shape is wrong, or only one of the references' two is given.
    """
    _check(margin_positive, margin_negative, weight_positive, weight_negative)
    pairs = unit_pairs(embeddings, labels, ref_embeddings, ref_labels)
    same = pairs.query_labels[:, None] == pairs.reference_labels[None, :]

    def kernel(similarities: Tensor) -> tuple[Tensor, Tensor]:
        margins = torch.full_like(similarities, margin_negative)
        above = similarities.sub_(margins.masked_fill_(same, margin_positive))
        # Written with "not" so that a NaN counts as hard, and shows in the loss.
        hard = torch.where(same, above > 0, above < 0).logical_not_()
        if pairs.references is None:
            hard.fill_diagonal_(False)
        positives = (hard & same).sum()
        negatives = hard.sum() - positives
        gradient = torch.where(
            same,
            -weight_positive / positives.clamp(min=1).to(above.dtype),
            weight_negative / negatives.clamp(min=1).to(above.dtype),
        ).mul_(hard)
        return torch.dot(gradient.view(-1), above.view(-1)), gradient

    return pairs.loss(kernel)


class TCMLoss(nn.Module):
    """`tcm_loss` as a module.

    Args:
        margin_positive: Cosine similarity that positive pairs should exceed.
        margin_negative: Cosine similarity that negative pairs should stay below.
        weight_positive: Weight of the positive term, >= 0.
        weight_negative: Weight of the negative term, >= 0.

    Raises:
        ValueError: ``margin_positive <= margin_negative``, or a weight is negative or not finite.
    """

    def __init__(
        self,
        *,
        margin_positive: float,
        margin_negative: float,
        weight_positive: float = 1.0,
        weight_negative: float = 1.0,
    ) -> None:
        super().__init__()
        _check(margin_positive, margin_negative, weight_positive, weight_negative)
        self.margin_positive = margin_positive
        self.margin_negative = margin_negative
        self.weight_positive = weight_positive
        self.weight_negative = weight_negative

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of ``B x D`` embeddings and their ``B`` labels, as the function does."""
        return tcm_loss(
            embeddings,
            labels,
            margin_positive=self.margin_positive,
            margin_negative=self.margin_negative,
            weight_positive=self.weight_positive,
            weight_negative=self.weight_negative,
            ref_embeddings=ref_embeddings,
            ref_labels=ref_labels,
        )


def _check(
    margin_positive: float, margin_negative: float, weight_positive: float, weight_negative: float
) -> None:
    if not margin_positive > margin_negative:
        raise ValueError(
            f"margin_positive ({margin_positive}) must be greater than "
            f"margin_negative ({margin_negative})"
        )
    weights = {"weight_positive": weight_positive, "weight_negative": weight_negative}
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"{name} ({weight}) must be finite and at least 0")

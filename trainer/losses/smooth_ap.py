"""The Smooth-AP loss, for any class layout."""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainer.losses.similarity import cosine_similarities

__all__ = ["SmoothAPLoss", "smooth_ap_loss"]

# Most query x positive x sample triples held at once (256 MiB in float32). A larger batch is
# worked through in chunks of queries that are computed again in the backward pass.
_MAX_TRIPLES: Final = 2**26


def smooth_ap_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.01,
    max_positives: int | None = None,
) -> Tensor:
    """Return the Smooth-AP loss of a batch (Brown et al., ECCV 2020, arXiv 2007.12163).

    Every sample q is a query against all others. Over the queries with a non-empty set P of
    positives (other samples of q's label)::

        1 - mean_q 1/|P| sum_{p in P}  (1 + sum_{p' in P, p' != p}  sigmoid((s_p' - s_p) / t))
                                     / (1 + sum_{j != q, j != p}    sigmoid((s_j  - s_p) / t))

    with s the cosine similarity to q and t the temperature. Queries without a positive are left
    out of the mean; if there is no other query, the loss is 0 with zero gradients. Classes may have
    any number of samples, in any order. A query is never in its own ranking. ``SmoothAPLoss`` of
    pytorch-metric-learning 2.9.0 has it there, as its own first positive, which makes losses
    smaller; besides, it is wrong unless a batch has as many classes as samples per class: at 8
    classes x 4 it gives 0.335 to near-perfect embeddings, whose loss is 0.

    Takes ``O(B^2 P)`` memory and time, P the most positives of a query, beside the ``B x D``
    embeddings, and never waits for a CUDA device.

    Args:
        embeddings: ``B x D``, B >= 1, of any norm; L2-normalised here.
        labels: ``B``, integers.
        temperature: Temperature t of the sigmoids, > 0.
        max_positives: Upper bound of P, such as samples per class - 1. None: P is read from the
            labels on a CPU; elsewhere, where reading it would wait for the device, B - 1, which
            costs memory and time. Where the bound is too small, the loss and its gradients are
            NaN, never a wrong number.

    Returns:
        Scalar, float32 (float64 for float64 embeddings).

    Raises:
        ValueError: ``temperature`` is not positive and finite, ``max_positives`` is less than 1,
            or a shape is wrong.
    """
    _check(temperature, max_positives)
    scaled = cosine_similarities(embeddings, labels) / temperature
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=same.device)
    counts = positive.sum(dim=1)
    width = _width(counts, max_positives)
    flags, columns = positive.to(torch.uint8).topk(width, dim=1)
    ranked, padding = scaled.gather(1, columns), flags == 0
    negatives = scaled.masked_fill(same, -math.inf)
    losses = _by_chunks(negatives, ranked, padding) / counts.clamp(min=1)
    loss = losses.sum() / (counts > 0).sum().clamp(min=1)
    return loss * torch.where((counts <= width).all(), 1.0, math.nan)


class SmoothAPLoss(nn.Module):
    """`smooth_ap_loss` as a module.

    Args:
        temperature: Temperature of the sigmoids, > 0.
        max_positives: Upper bound of a sample's positives in a batch, or None; see the function.

    Raises:
        ValueError: ``temperature`` is not positive and finite, or ``max_positives`` is less than 1.
    """

    def __init__(self, *, temperature: float = 0.01, max_positives: int | None = None) -> None:
        super().__init__()
        _check(temperature, max_positives)
        self.temperature = temperature
        self.max_positives = max_positives

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of ``B x D`` embeddings and their ``B`` labels."""
        return smooth_ap_loss(
            embeddings, labels, temperature=self.temperature, max_positives=self.max_positives
        )


def _width(counts: Tensor, max_positives: int | None) -> int:
    widest = len(counts) - 1
    if max_positives is not None:
        return min(max_positives, widest)
    return int(counts.max()) if counts.device.type == "cpu" else widest


def _by_chunks(negatives: Tensor, positives: Tensor, padding: Tensor) -> Tensor:
    """Return ``_one_minus_precision``, in chunks of queries where the batch is large."""
    rows = max(1, _MAX_TRIPLES // max(1, positives.numel()))
    if rows >= len(negatives):
        return _one_minus_precision(negatives, positives, padding)
    chunks = zip(
        *(torch.split(part, rows) for part in (negatives, positives, padding)), strict=True
    )
    parts: list[Tensor] = [
        checkpoint(_one_minus_precision, *chunk, use_reentrant=False, preserve_rng_state=False)
        for chunk in chunks
    ]
    return torch.cat(parts)


def _one_minus_precision(negatives: Tensor, positives: Tensor, padding: Tensor) -> Tensor:
    """Return, per query, the sum over its positives of 1 - smoothed precision.

    With n and m the smoothed numbers of negatives and of other positives above a positive,
    1 - (1 + m) / (1 + m + n) is n / (1 + m + n), which loses no digits near 0.

    Args:
        negatives: ``Q x B`` similarities over temperature, -inf where not a negative.
        positives: ``Q x P`` similarities over temperature, finite in the padding too.
        padding: ``Q x P``, True where a query has no further positive.

    Returns:
        ``Q``.
    """
    others = positives.masked_fill(padding, -math.inf)
    above = _count_above(negatives, positives)
    # A positive that is compared with itself counts sigmoid(0).
    rank = 0.5 + _count_above(others, positives) + above
    return torch.where(padding, 0.0, above / rank).sum(dim=1)


def _count_above(candidates: Tensor, references: Tensor) -> Tensor:
    """Return ``Q x P``: how many of ``Q x C`` candidates lie above each of ``Q x P`` references."""
    return (candidates[:, None, :] - references[:, :, None]).sigmoid_().sum(dim=2)


def _check(temperature: float, max_positives: int | None) -> None:
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature ({temperature}) must be positive and finite")
    if max_positives is not None and max_positives < 1:
        raise ValueError(f"max_positives ({max_positives}) must be at least 1")

"""The Recall@k surrogate loss, for any class layout, with similarity mix-up."""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from trainer.losses.ranking import check_ranking, ranking_loss
from trainer.losses.similarity import ABSENT, Pairs, unit_pairs

__all__ = ["RecallAtKLoss", "recall_at_k_loss"]

_K: Final = (1, 2, 4, 8, 16)


def recall_at_k_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    k: Sequence[int] = _K,
    temperature: float = 0.01,
    rank_temperature: float = 1.0,
    mixup: bool = False,
    generator: torch.Generator | None = None,
    max_positives: int | None = None,
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> Tensor:
    """Return the Recall@k surrogate loss (Patel et al., CVPR 2022, arXiv 2108.11179).

    Every sample q is a query against all others. Over the queries with a non-empty set P of
    positives (other samples of q's label), and over every k::

        1 - mean_q mean_k min(1, 1/min(k, |P|) sum_{p in P} sigmoid((k - rank_p) / t_rank))
        rank_p = 1 + sum_{j != q, j != p} sigmoid((s_j - s_p) / t)

    with s the cosine similarity to q, t the temperature and t_rank the rank temperature. Queries
    without a positive are left out of the means; if there is no other query, the loss is 0 with
    zero gradients. Classes may have any number of samples, in any order.

    Conventions: recall divides by |P|, and cannot reach 1 while k < |P|; as in the authors' code,
    min(k, |P|) is divided by instead, and a query's recall is at most 1. Where that cap holds there
    is no gradient. A sigmoid is 1/2 at rank k: a perfect ranking has a loss above 0. The authors'
    code has a rank temperature for each k, by default k itself; here one serves all.

    Mix-up (SiMix) adds a virtual sample ``a x + (1 - a) z`` for every pair x, z of a class, with a
    drawn anew from [0, 1). Virtual samples keep their label, are queries and references like any
    other, and are not normalised again: their similarities are mixed similarities.

    Takes ``O(B^2 P)`` time, P the most positives of a query, and ``O(B^2)`` memory beside the
    ``B x D`` embeddings and a chunk of bounded size; with mix-up at n samples per class, B is
    (n + 1) / 2 times larger. Never waits for a CUDA device, unless mix-up has to count the pairs
    for want of ``max_positives``. The gradient is worked out with the loss; it cannot be
    differentiated again.

    Args:
        embeddings: ``B x D``, B >= 1, of any norm; L2-normalised here.
        labels: ``B``, integers greater than -2^63.
        k: Sizes of the short list, each >= 1. One larger than the batch does no harm.
        temperature: Temperature t of the sigmoids that estimate ranks, > 0.
        rank_temperature: Temperature of the sigmoids that compare a rank with k, > 0.
        mixup: Whether to add virtual samples.
        generator: A CPU generator that mix-up draws from; torch's own if None.
        max_positives: Upper bound of P, such as samples per class - 1, before mix-up; see
            `smooth_ap_loss`.
        ref_embeddings: ``M x D`` other samples than the batch's. Where given, the queries are the
            batch's, and positives and negatives are all of these and only these; gradients flow
            into them too.
        ref_labels: ``M``, integers.

    Returns:
        Scalar, float32 (float64 for float64 embeddings).

    Raises:
        ValueError: A temperature is not positive and finite, ``k`` is empty or one is less than 1,
            ``max_positives`` is less than 1, a shape is wrong, only one of the references' two is
            given, or they are given together with ``mixup``.
    """
    _check(k, temperature, rank_temperature, max_positives)
    pairs = unit_pairs(embeddings, labels, ref_embeddings, ref_labels)
    if mixup:
        if pairs.references is not None:
            raise ValueError("mix-up is within a batch: it cannot be combined with ref_embeddings")
        pairs = _with_virtual(pairs, max_positives, generator)
        if max_positives is not None:
            # Of n samples of a class, n (n + 1) / 2 once there are the mixtures.
            max_positives = (max_positives + 1) * (max_positives + 2) // 2 - 1

    def missed(
        negatives: Tensor, positives: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        losses, by_rank = _missed(1 + negatives + positives, valid, k, rank_temperature)
        return losses, by_rank, by_rank

    return ranking_loss(pairs, missed, temperature=temperature, max_positives=max_positives)


class RecallAtKLoss(nn.Module):
    """`recall_at_k_loss` as a module, whose mix-up draws from torch's own CPU generator.

    Args:
        k: Sizes of the short list, each >= 1.
        temperature: Temperature of the sigmoids that estimate ranks, > 0.
        rank_temperature: Temperature of the sigmoids that compare a rank with k, > 0.
        mixup: Whether to add virtual samples while in training mode.
        max_positives: Upper bound of a sample's positives in a batch, or None; see the function.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(
        self,
        *,
        k: Sequence[int] = _K,
        temperature: float = 0.01,
        rank_temperature: float = 1.0,
        mixup: bool = False,
        max_positives: int | None = None,
    ) -> None:
        super().__init__()
        _check(k, temperature, rank_temperature, max_positives)
        self.k = tuple(k)
        self.temperature = temperature
        self.rank_temperature = rank_temperature
        self.mixup = mixup
        self.max_positives = max_positives

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of ``B x D`` embeddings and their ``B`` labels, as the function does."""
        return recall_at_k_loss(
            embeddings,
            labels,
            k=self.k,
            temperature=self.temperature,
            rank_temperature=self.rank_temperature,
            mixup=self.mixup and self.training,
            max_positives=self.max_positives,
            ref_embeddings=ref_embeddings,
            ref_labels=ref_labels,
        )


def _missed(
    rank: Tensor, valid: Tensor, sizes: Sequence[int], temperature: float
) -> tuple[Tensor, Tensor]:
    """Return 1 - mean recall (``Q``) and its derivative by the smoothed ranks (``Q x P``)."""
    # Stacked from scalars: a tensor made of the sizes would be copied to a CUDA device, and wait.
    hits = (torch.stack([k - rank for k in sizes]) / temperature).sigmoid_() * valid
    found = valid.sum(dim=1).to(rank.dtype)
    share = 1 / torch.stack([found.clamp(min=1, max=k) for k in sizes])
    recall = hits.sum(dim=2) * share
    slopes = hits * (1 - hits) * (share * (recall < 1))[:, :, None]
    losses = torch.where(found > 0, 1 - recall.clamp(max=1).mean(dim=0), 0.0)
    return losses, slopes.mean(dim=0) / temperature


def _with_virtual(
    pairs: Pairs, max_positives: int | None, generator: torch.Generator | None
) -> Pairs:
    """Return the pairs of the samples and of a mixture of every two of a class.

    ``max_positives`` fixes how many mixtures there are; those left over are `ABSENT`.
    """
    unit, labels = pairs.queries, pairs.query_labels
    with torch.no_grad():
        same = (labels[:, None] == labels).triu(diagonal=1)
        if max_positives is None:
            size = int(same.sum())
        else:
            size = len(labels) * min(max_positives, len(labels) - 1) // 2
        first, second = same.nonzero_static(size=size, fill_value=-1).T
        # Drawn on the CPU: the same on every device, and part of a checkpoint's random state. The
        # host would wait for a copy from memory that is not pinned.
        weight = torch.rand(size, 1, generator=generator, dtype=unit.dtype, pin_memory=unit.is_cuda)
        weight = weight.to(unit.device, non_blocking=True)
    virtual = unit[second].lerp(unit[first], weight)
    mixed = torch.cat([labels, labels[first].masked_fill(first < 0, ABSENT)])
    return Pairs(
        queries=torch.cat([unit, virtual]),
        query_labels=mixed,
        references=None,
        reference_labels=mixed,
        padded=True,
    )


def _check(
    k: Sequence[int], temperature: float, rank_temperature: float, max_positives: int | None
) -> None:
    check_ranking(temperature, max_positives)
    if not 0 < rank_temperature < math.inf:
        raise ValueError(f"rank_temperature ({rank_temperature}) must be positive and finite")
    if len(k) == 0 or any(each < 1 or each != int(each) for each in k):
        raise ValueError(f"k ({tuple(k)}) must be one or more whole numbers of at least 1")

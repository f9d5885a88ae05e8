"""Smoothed ranks of a query's positives: what Smooth-AP and the Recall@k surrogate share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from torch import Tensor

from trainer.losses.similarity import ABSENT, Pairs

__all__ = ["QueryLoss", "check_ranking", "ranking_loss"]

# From, for each query and positive, how many negatives and how many other positives are above it,
# and where there is such a positive (all Q x P), to Q losses (0 without a positive) and their
# derivatives by the two numbers (Q x P, 0 where there is no such positive).
QueryLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

# Most query x positive x reference triples held at once: what stays in a CPU's cache, and 256 MiB
# in float32 elsewhere. More are worked through in chunks of queries.
_MAX_TRIPLES_CPU: Final = 2**20
_MAX_TRIPLES: Final = 2**26


def ranking_loss(
    pairs: Pairs, query_loss: QueryLoss, *, temperature: float, max_positives: int | None
) -> Tensor:
    """Return the mean loss of the queries that have a positive, 0 if none has.

    A reference counts as ``sigmoid((s_j - s_p) / temperature)`` above a positive p, s its cosine
    similarity to the query. Loss and gradient come from one pass, which holds ``O(Q M)`` numbers
    and one chunk of triples.

    Args:
        pairs: The queries and their references.
        query_loss: The loss of each query.
        temperature: Of the sigmoids, > 0.
        max_positives: Upper bound P of a query's positives; None: the most there are, read from
            the labels, on a CPU, and every reference elsewhere. Where the bound is too small, loss
            and gradient are NaN.

    Returns:
        Scalar.
    """
    layout = _layout(pairs, max_positives)

    def kernel(similarities: Tensor) -> tuple[Tensor, Tensor]:
        scaled = similarities.div_(temperature)
        ranked = scaled.gather(1, layout.columns)
        layout.leave_negatives(scaled)
        rows = _rows_of_a_chunk(scaled, ranked)
        chunks = zip(
            scaled.split(rows),
            ranked.split(rows),
            layout.columns.split(rows),
            layout.valid.split(rows),
            strict=True,
        )
        scale = layout.weight / temperature
        losses = [_turn_into_gradient(*chunk, query_loss, scale) for chunk in chunks]
        return torch.cat(losses).sum() * layout.weight, scaled

    return pairs.loss(kernel)


def check_ranking(temperature: float, max_positives: int | None) -> None:
    """Raise a ValueError unless both are what `ranking_loss` takes."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature ({temperature}) must be positive and finite")
    if max_positives is not None and max_positives < 1:
        raise ValueError(f"max_positives ({max_positives}) must be at least 1")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Places of the positives among the references.

    Attributes:
        columns: ``Q x P``, references of the query's label; where there are fewer, any.
        valid: ``Q x P``, False where there are fewer.
        own: ``Q``, the query's own column; None where queries are no references.
        absent: ``M``, the references that only fill up; None where there are none.
        weight: Scalar, 1 over the number of queries with a positive; NaN if P is too small.
    """

    columns: Tensor
    valid: Tensor
    own: Tensor | None
    absent: Tensor | None
    weight: Tensor

    def leave_negatives(self, scaled: Tensor) -> None:
        """Set all but the query's negatives to -inf. Rows without a positive do not matter."""
        scaled.scatter_(1, self.columns, -math.inf)
        if self.absent is not None:
            scaled.masked_fill_(self.absent, -math.inf)
        if self.own is not None:
            scaled.scatter_(1, self.own[:, None], -math.inf)


def _layout(pairs: Pairs, max_positives: int | None) -> _Layout:
    """Find each query's positives: neighbours, once the references are sorted by label."""
    labels, references = pairs.query_labels[:, None], pairs.reference_labels
    ordered, order = references.sort(stable=True)
    start = torch.searchsorted(ordered, labels)
    end = torch.searchsorted(ordered, labels, right=True)
    shared = pairs.references is None
    counts = (end - start - int(shared)).masked_fill(labels == ABSENT, 0)
    width = _width(counts, len(references) - int(shared), max_positives)
    places = start + torch.arange(width, device=start.device)
    valid = torch.arange(width, device=start.device) < counts
    own = torch.arange(len(references), device=start.device) if shared else None
    if own is not None:
        places += places >= torch.empty_like(order).scatter_(0, order, own)[:, None]
    queries = (counts > 0).sum().clamp(min=1).to(pairs.queries.dtype)
    return _Layout(
        columns=order[places.minimum(end - 1).clamp_(min=0)],
        valid=valid,
        own=own,
        absent=references == ABSENT if pairs.padded else None,
        weight=torch.where((counts <= width).all(), 1.0 / queries, math.nan),
    )


def _width(counts: Tensor, widest: int, max_positives: int | None) -> int:
    if max_positives is not None:
        return min(max_positives, widest)
    return int(counts.max()) if counts.device.type == "cpu" else widest


def _rows_of_a_chunk(scaled: Tensor, ranked: Tensor) -> int:
    most = _MAX_TRIPLES_CPU if scaled.device.type == "cpu" else _MAX_TRIPLES
    return max(1, most // max(1, ranked.shape[1] * scaled.shape[1]))


def _turn_into_gradient(
    negatives: Tensor,
    ranked: Tensor,
    columns: Tensor,
    valid: Tensor,
    query_loss: QueryLoss,
    scale: Tensor,
) -> Tensor:
    """Return the ``Q`` losses of some queries, and overwrite ``negatives``.

    Args:
        negatives: ``Q x M`` similarities over temperature, -inf where not a negative. Becomes the
            gradient of the losses' sum times ``scale``, with respect to the similarities over
            temperature.
        ranked: ``Q x P`` similarities over temperature of the positives, any where not valid.
        columns: ``Q x P``, the positives' columns.
        valid: ``Q x P``, where there is a positive.
        query_loss: See `ranking_loss`.
        scale: Scalar.
    """
    above = _above(negatives, ranked)
    among = _above(ranked.masked_fill(~valid, -math.inf), ranked)
    among.diagonal(dim1=1, dim2=2).zero_()
    losses, by_above, by_among = query_loss(above.sum(dim=2), among.sum(dim=2), valid)
    _, down = _pull_back(by_above * scale, above, out=negatives)
    up, down_among = _pull_back(by_among * scale, among, out=torch.empty_like(ranked))
    negatives.scatter_add_(1, columns, up - down - down_among)
    return losses


def _above(candidates: Tensor, references: Tensor) -> Tensor:
    """Return ``Q x P x C``: how far each of ``Q x C`` lies above each of ``Q x P``, 0 to 1."""
    return (candidates[:, None, :] - references[:, :, None]).sigmoid_()


def _pull_back(by_count: Tensor, above: Tensor, *, out: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients to what is counted, ``Q x C``, and, negated, to ``Q x P`` references.

    The former is written to ``out``. Overwrites ``above``, with the sigmoids' slope.
    """
    slope = above.addcmul_(above, above, value=-1)
    torch.bmm(by_count[:, None, :], slope, out=out[:, None, :])
    return out, by_count * slope.sum(dim=2)

"""Cosine similarities between all pairs of embeddings, a block of rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from objectives.errors import InputError

__all__ = ["SimilarityBlock", "similarity_blocks", "unit_embeddings"]

_BLOCK_BYTES = 64 * 2**20
# Embeddings that lie closer than this are at one point.
_EQUAL = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityBlock:
    """The similarities of some queries to all N samples.

    Attributes:
        queries: B; the queries' row numbers.
        similarity: B x N float64 cosine similarities.
        positive: B x N bool; same class, and not the query itself.
        negative: B x N bool; another class.
    """

    queries: Tensor
    similarity: Tensor
    positive: Tensor
    negative: Tensor

    @cached_property
    def distance(self) -> Tensor:
        """B x N Euclidean distances on the unit sphere, in [0, 2].

        Below 1e-6 they are 0: there the rounding of a similarity near 1 is all that is left.
        """
        square = torch.add(2.0, self.similarity, alpha=-2.0).clamp_(max=4.0)
        return square.masked_fill_(square < _EQUAL**2, 0.0).sqrt_()


def unit_embeddings(embeddings: Tensor, labels: Tensor) -> Tensor:
    """L2-normalise, in float64.

    Args:
        embeddings: N x D, any floating dtype and device.
        labels: N integers.

    Returns:
        N x D float64 unit rows.

    Raises:
        InputError: Shapes or dtypes do not fit, N < 2, a value is not finite, or a row is zero.
    """
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise InputError(
            f"embeddings: expected an N x D array of floats, got {tuple(embeddings.shape)} "
            f"of {embeddings.dtype}"
        )
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise InputError(
            f"labels: expected N integers, got {tuple(labels.shape)} of {labels.dtype}"
        )
    if len(labels) != len(embeddings) or len(labels) < 2:
        raise InputError(
            f"labels: expected one for each of two or more embeddings, got {len(labels)} labels "
            f"for {len(embeddings)} embeddings"
        )
    wide = embeddings.detach().double()
    _refuse_rows(~wide.isfinite().all(1), "holds NaN or infinity")
    _refuse_rows((wide == 0).all(1), "is all zeros and so has no direction")
    # Scaled first, so that no square overflows or vanishes.
    wide = wide / wide.abs().amax(1, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(wide, dim=1, keepdim=True)
    return wide / norms


def _refuse_rows(bad: Tensor, what: str) -> None:
    rows = bad.nonzero()[:, 0]
    if len(rows):
        others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        raise InputError(f"embeddings: row {int(rows[0])}{others} {what}")


def similarity_blocks(unit: Tensor, labels: Tensor) -> Iterator[SimilarityBlock]:
    """Yield the N x N similarity matrix in blocks of rows; the whole is never held.

    Args:
        unit: N x D float64 unit rows, as `unit_embeddings` returns them.
        labels: N integers, on the same device.
    """
    n = len(unit)
    rows = max(1, _BLOCK_BYTES // (8 * n))
    for start in range(0, n, rows):
        queries = torch.arange(start, min(start + rows, n), device=unit.device)
        positive = labels[queries, None] == labels[None, :]
        negative = ~positive
        positive[torch.arange(len(queries), device=unit.device), queries] = False
        yield SimilarityBlock(
            queries=queries,
            similarity=unit[queries] @ unit.T,
            positive=positive,
            negative=negative,
        )

"""Unit embeddings, and the cosine similarities between all pairs of them, some rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Final

import torch
from torch import Tensor

from objectives.errors import InputError
from objectives.pairwise.pair_statistics import Classes

__all__ = [
    "SimilarityBlock",
    "check_embeddings",
    "check_queries",
    "distances_of",
    "full_precision",
    "query_blocks",
    "similarity_block",
    "similarity_blocks",
    "unit_embeddings",
]

# Precision and threads are settings of the whole process, which a call changes for a while.
_SETTINGS: Final = RLock()
# Of one float64 block; up to five such are held at once.
_BLOCK_BYTES = 8 * 2**20
_BLOCK_ROWS: Final = 4096
# Embeddings that lie closer than this are at one point.
_EQUAL = 1e-6
# Norms between which no square of a float32 vanishes or overflows.
_PLAIN: Final = (1e-15, 1e15)


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityBlock:
    """The similarities of some queries to all N samples.

    Attributes:
        queries: B; the queries' row numbers.
        similarity: B x N float64 cosine similarities.
        positive: B x N bool; same class, and not the query itself. Where only some samples are
            queries: one of them with one of the gallery.
        negative: B x N bool; another class. Where only some samples are queries: one of them and
            one of the gallery, whichever the row is.
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


def check_embeddings(embeddings: Tensor, labels: Tensor) -> None:
    """Refuse what cannot be scored.

    Args:
        embeddings: N x D, any floating dtype and device.
        labels: N integers.

    Raises:
        InputError: Shapes or dtypes do not fit, N < 2, a value is not finite, or a row is zero.
    """
    if embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise InputError(
            f"expected an N x D array of floats, got {tuple(embeddings.shape)} "
            f"of {embeddings.dtype}",
            field="embeddings",
        )
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise InputError(
            f"expected N integers, got {tuple(labels.shape)} of {labels.dtype}", field="labels"
        )
    if len(labels) != len(embeddings) or len(labels) < 2:
        raise InputError(
            f"expected one for each of two or more embeddings, got {len(labels)} labels "
            f"for {len(embeddings)} embeddings",
            field="labels",
        )
    for start in range(0, len(embeddings), _BLOCK_ROWS):
        rows = embeddings.detach()[start : start + _BLOCK_ROWS]
        if not _is_plain(_norms(rows)):
            _refuse_rows(~embeddings.isfinite().all(1), "holds NaN or infinity")
            _refuse_rows(~embeddings.any(1), "is all zeros and so has no direction")


def check_queries(queries: Tensor, samples: int) -> None:
    """Refuse what does not part so many samples into queries and a gallery.

    Raises:
        InputError: It is not one truth value for each, or they are all the same.
    """
    if queries.dtype != torch.bool or queries.shape != (samples,):
        raise InputError(
            f"expected {samples} truth values, one for each embedding, "
            f"got {tuple(queries.shape)} of {queries.dtype}",
            field="queries",
        )
    if not queries.any():
        raise InputError(f"none of the {samples} samples is a query", field="queries")
    if queries.all():
        raise InputError(
            f"all {samples} samples are queries, so there is no gallery", field="queries"
        )


def unit_embeddings(
    embeddings: Tensor, dtype: torch.dtype, *, order: Tensor | None = None
) -> Tensor:
    """L2-normalise.

    Args:
        embeddings: N x D that `check_embeddings` takes.
        dtype: float32 or float64.
        order: N; take the rows in this order.

    Returns:
        N x D unit rows.
    """
    unit = torch.empty(embeddings.shape, dtype=dtype, device=embeddings.device)
    for start in range(0, len(unit), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        rows = embeddings.detach()[block if order is None else order[block]]
        unit[block] = _normalise(rows, dtype)
    return unit


def _normalise(rows: Tensor, dtype: torch.dtype) -> Tensor:
    norms = _norms(rows)
    if not _is_plain(norms):
        # Scaled first, so that no square overflows or vanishes.
        rows = rows.double()
        rows = rows / rows.abs().amax(1, keepdim=True)
        norms = _norms(rows)
    return rows.to(dtype) / norms.to(dtype)


def _norms(rows: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=torch.float64)
    return norms


def _is_plain(norms: Tensor) -> bool:
    """Whether all are finite, and their squares neither vanish nor overflow."""
    return bool(((norms > _PLAIN[0]) & (norms < _PLAIN[1])).all())


def _refuse_rows(bad: Tensor, what: str) -> None:
    rows = bad.nonzero()[:, 0]
    if len(rows):
        others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        raise InputError(f"row {int(rows[0])}{others} {what}", field="embeddings")


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute in the tensors' own precision, whatever the program around allows; one at a time."""
    cpu = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    backends = (torch.backends.cuda.matmul, cpu)
    with _SETTINGS, torch.autocast(device.type, enabled=False):
        before = [backend.fp32_precision for backend in backends]
        try:
            for backend in backends:
                backend.fp32_precision = "ieee"
            yield
        finally:
            for backend, precision in zip(backends, before, strict=True):
                backend.fp32_precision = precision


def similarity_blocks(unit: Tensor, classes: Classes) -> Iterator[SimilarityBlock]:
    """Yield the N x N similarity matrix in blocks of rows; the whole is never held.

    Args:
        unit: N x D float64 unit rows, as `unit_embeddings` returns them.
        classes: Their classes, on the same device.
    """
    for queries in query_blocks(torch.arange(len(unit), device=unit.device), len(unit)):
        yield similarity_block(unit, classes, queries)


def distances_of(similarity: Tensor) -> Tensor:
    """Return float64 distances on the unit sphere, in [0, 2], whatever rounding did."""
    return (2 - 2 * similarity.double()).clamp(0, 4).sqrt()


def query_blocks(queries: Tensor, n: int) -> tuple[Tensor, ...]:
    """Split queries so that a block of their similarities to n samples takes 8 MiB."""
    return tuple(queries.split(max(1, _BLOCK_BYTES // (8 * n))))


def similarity_block(unit: Tensor, classes: Classes, queries: Tensor) -> SimilarityBlock:
    """Return the similarities of these queries (B row numbers); see `similarity_blocks`."""
    labels, is_query = classes.members, classes.is_query
    positive = labels[queries, None] == labels[None, :]
    negative = ~positive
    positive[torch.arange(len(queries), device=unit.device), queries] = False
    if is_query is not None:
        negative &= is_query[queries, None] != is_query
        positive &= is_query[queries, None] > is_query
    return SimilarityBlock(
        queries=queries,
        similarity=unit[queries] @ unit.T,
        positive=positive,
        negative=negative,
    )

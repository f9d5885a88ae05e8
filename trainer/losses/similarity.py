"""The pairs of samples that our own losses look at, and losses of their cosine similarities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

__all__ = ["ABSENT", "Kernel", "Pairs", "unit_pairs"]

# From Q x M similarities, which it may overwrite, to a scalar loss and its Q x M gradient.
Kernel: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]

# The label of a row that only fills up a tensor of fixed size.
ABSENT: Final = -(2**63)

_SMALLEST_NORM: Final = 1e-12
_SMALLEST_HALF: Final = 128


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Queries and the references that each is compared with.

    Attributes:
        queries: ``Q x D``, of unit norm, at least float32.
        query_labels: ``Q``, int64.
        references: ``M x D`` other samples; None where the queries are compared with each other.
        reference_labels: ``M``, int64; the queries' where ``references`` is None.
        padded: Whether some labels may be `ABSENT`: such a row is no query and no reference.
    """

    queries: Tensor
    query_labels: Tensor
    references: Tensor | None
    reference_labels: Tensor
    padded: bool = False

    def loss(self, kernel: Kernel) -> Tensor:
        """Return the kernel's loss, a scalar; its gradient can be taken once, not twice.

        The kernel works out loss and gradient together, so that the backward pass is a product of
        matrices (two where there are references), and only one ``Q x M`` matrix is kept for it.
        """
        with torch.autocast(self.queries.device.type, enabled=False):
            loss: Tensor = _WithGradient.apply(self.queries, self.references, kernel)
        return loss


def unit_pairs(
    embeddings: Tensor, labels: Tensor, ref_embeddings: Tensor | None, ref_labels: Tensor | None
) -> Pairs:
    """Return the pairs of a batch, or of a batch and its references.

    They are L2-normalised in float32, or in float64 for float64 embeddings, under autocast too:
    half precision has no room for differences of a hundredth of a margin.

    Args:
        embeddings: ``B x D``, floating point, B >= 1, of any norm.
        labels: ``B``, integers greater than -2^63.
        ref_embeddings: ``M x D``, M >= 1, of the same kind: samples that are not in the batch.
        ref_labels: ``M``.

    Raises:
        ValueError: A shape or a dtype is wrong, or only one of the references' two is given.
    """
    _check(embeddings, labels, "embeddings", "labels")
    if ref_embeddings is None and ref_labels is None:
        unit, classes = _unit(embeddings), labels.long()
        return Pairs(queries=unit, query_labels=classes, references=None, reference_labels=classes)
    if ref_embeddings is None or ref_labels is None:
        raise ValueError("ref_embeddings and ref_labels must be given together")
    _check(ref_embeddings, ref_labels, "ref_embeddings", "ref_labels")
    if ref_embeddings.shape[1] != embeddings.shape[1]:
        raise ValueError(
            f"ref_embeddings must have {embeddings.shape[1]} columns as embeddings have, "
            f"not {ref_embeddings.shape[1]}"
        )
    queries, references = _unit(embeddings), _unit(ref_embeddings)
    dtype = torch.promote_types(queries.dtype, references.dtype)
    return Pairs(
        queries=queries.to(dtype),
        query_labels=labels.long(),
        references=references.to(dtype),
        reference_labels=ref_labels.long(),
    )


class _WithGradient(torch.autograd.Function):
    """A loss of similarities whose kernel also returns the gradient."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, references: Tensor | None, kernel: Kernel) -> Tensor:
        similarities = _gram(queries) if references is None else queries @ references.T
        loss, gradient = kernel(similarities)
        ctx.save_for_backward(queries, references, gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        if torch.is_grad_enabled():
            # torch's once_differentiable lets this pass where only the embeddings need a gradient.
            raise RuntimeError("this loss cannot be differentiated twice (create_graph=True)")
        queries, references, gradient = ctx.saved_tensors
        with torch.autocast(queries.device.type, enabled=False):
            if references is None:
                # Both ends of a pair are queries: (G + G') Q is one product instead of two.
                return (gradient + gradient.T).mul_(outer) @ queries, None, None
            scaled = gradient * outer
            to_queries, to_references, _ = ctx.needs_input_grad
            return (
                scaled @ references if to_queries else None,
                scaled.T @ queries if to_references else None,
                None,
            )


def _gram(rows: Tensor) -> Tensor:
    """Return ``rows @ rows.T``, without the lower left quarter's products where that saves time."""
    half = len(rows) // 2
    if min(half, rows.shape[1]) < _SMALLEST_HALF or rows.device.type != "cpu":
        return rows @ rows.T
    products = rows.new_empty(len(rows), len(rows))
    torch.mm(rows[:half], rows.T, out=products[:half])
    torch.mm(rows[half:], rows[half:].T, out=products[half:, half:])
    products[half:, :half] = products[:half, half:].T
    return products


class _Normalized(torch.autograd.Function):
    """Rows of unit norm; a row of zeros stays one. Takes half the time of torch's own."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        unit = rows / norms.clamp_(min=_SMALLEST_NORM)
        ctx.save_for_backward(unit, norms)
        return unit

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> Tensor:
        unit, norms = ctx.saved_tensors
        with torch.autocast(unit.device.type, enabled=False):
            along = torch.linalg.vecdot(unit, outer)[:, None]
        return torch.addcmul(outer, unit, along, value=-1).div_(norms)


def _unit(embeddings: Tensor) -> Tensor:
    precise = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    unit: Tensor = _Normalized.apply(precise)
    return unit


def _check(embeddings: Tensor, labels: Tensor, name: str, label_name: str) -> None:
    if embeddings.ndim != 2 or len(embeddings) == 0 or not embeddings.is_floating_point():
        raise ValueError(
            f"{name} must be N x D floating point with N >= 1, "
            f"not {tuple(embeddings.shape)} {embeddings.dtype}"
        )
    if labels.shape != embeddings.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"{label_name} must be {len(embeddings)} integers, "
            f"not {tuple(labels.shape)} {labels.dtype}"
        )

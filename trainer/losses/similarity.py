"""The pairwise cosine similarities that our own losses start from."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__all__ = ["cosine_similarities"]


def cosine_similarities(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the cosine similarities of all pairs of a batch.

    They are computed in float32, or in float64 for float64 embeddings, under autocast too: half
    precision has no room for differences of a hundredth of a margin.

    Args:
        embeddings: ``B x D``, floating point, B >= 1, of any norm.
        labels: ``B``, integers; only checked here.

    Returns:
        ``B x B``.

    Raises:
        ValueError: A shape or a dtype is wrong.
    """
    if embeddings.ndim != 2 or len(embeddings) == 0 or not embeddings.is_floating_point():
        raise ValueError(
            "embeddings must be B x D floating point with B >= 1, "
            f"not {tuple(embeddings.shape)} {embeddings.dtype}"
        )
    if labels.shape != embeddings.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels must be {len(embeddings)} integers, not {tuple(labels.shape)} {labels.dtype}"
        )
    with torch.autocast(embeddings.device.type, enabled=False):
        precise = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        unit = F.normalize(precise, dim=1)
        return unit @ unit.T

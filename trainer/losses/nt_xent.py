"""The NT-Xent loss: cross-entropy of each positive pair against the negatives of its query."""

import math

import torch
from torch import Tensor, nn

from trainer.losses.similarity import unit_pairs

__all__ = ["NTXentLoss", "nt_xent_loss"]


def nt_xent_loss(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Return the normalised temperature-scaled cross-entropy of a batch.

    Sohn, NeurIPS 2016; Chen et al., ICML 2020, arXiv 2002.05709; on the sphere, as the Sph-variants
    of Ermolov et al., CVPR 2022, arXiv 2203.10833, train. The mean over the ordered positive pairs
    (q, p) of::

        -log(exp(s_p / t) / (exp(s_p / t) + sum over negatives n of q of exp(s_n / t)))

    with s the cosine similarity to q and t the temperature. Without a positive pair the loss is 0,
    with zero gradients; a query without a negative adds 0.

    Convention: all negatives of q count. Ermolov et al. take one sample of each class for queries
    and one for positives at a time, and so hold a pair against the negatives of these two slots; at
    two samples per class that is the same. Where they add up over pairs of slots, this is the mean.

    pytorch-metric-learning's `NTXentLoss` is the same number by a matrix of positive pairs times
    negative pairs: 23 GB for 100 classes of 9. This takes ``O(B^2)`` memory beside the embeddings
    and never waits for the device. The gradient is worked out with the loss; it cannot be
    differentiated again.

    Args:
        embeddings: ``B x D``, B >= 1, of any norm; L2-normalised here.
        labels: ``B``, integers.
        temperature: > 0.

    Returns:
        Scalar, float32 (float64 for float64 embeddings).

    Raises:
        ValueError: The temperature is not positive and finite, or a shape is wrong.
    """
    _check(temperature)
    pairs = unit_pairs(embeddings, labels, None, None)
    same = pairs.query_labels[:, None] == pairs.reference_labels[None, :]

    def kernel(similarities: Tensor) -> tuple[Tensor, Tensor]:
        scaled = similarities.div_(temperature)
        positive = same.clone().fill_diagonal_(False)
        count = positive.sum().clamp(min=1).to(scaled.dtype)
        among = torch.logsumexp(scaled.masked_fill(same, -math.inf), dim=1, keepdim=True)
        above = among - scaled
        # Beyond the threshold it is the identity, which float64 tells apart below 37.
        losses = nn.functional.softplus(above, threshold=40.0).mul_(positive)
        pulled = above.sigmoid_().mul_(positive)
        pushed = (scaled - among).exp_().masked_fill_(same, 0).mul_(pulled.sum(1, keepdim=True))
        return losses.sum() / count, pushed.sub_(pulled).div_(count * temperature)

    return pairs.loss(kernel)


class NTXentLoss(nn.Module):
    """`nt_xent_loss` as a module.

    Args:
        temperature: > 0.

    Raises:
        ValueError: The temperature is not positive and finite.
    """

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        _check(temperature)
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of ``B x D`` embeddings and their ``B`` labels, as the function does."""
        return nt_xent_loss(embeddings, labels, temperature=self.temperature)


def _check(temperature: float) -> None:
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature ({temperature}) must be positive and finite")

"""The Smooth-AP loss, for any class layout."""

from torch import Tensor, nn

from trainer.losses.ranking import check_ranking, ranking_loss
from trainer.losses.similarity import unit_pairs

__all__ = ["SmoothAPLoss", "smooth_ap_loss"]


def smooth_ap_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.01,
    max_positives: int | None = None,
    ref_embeddings: Tensor | None = None,
    ref_labels: Tensor | None = None,
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

    Takes ``O(B^2 P)`` time, P the most positives of a query, and ``O(B^2)`` memory beside the
    ``B x D`` embeddings and a chunk of bounded size. Never waits for a CUDA device. The gradient is
    worked out with the loss; it cannot be differentiated again.

    Args:
        embeddings: ``B x D``, B >= 1, of any norm; L2-normalised here.
        labels: ``B``, integers.
        temperature: Temperature t of the sigmoids, > 0.
        max_positives: Upper bound of P, such as samples per class - 1. None: P is read from the
            labels on a CPU; elsewhere, where reading it would wait for the device, B - 1 (M with
            references), which costs time. Where the bound is too small, the loss and its gradients
            are NaN, never a wrong number.
        ref_embeddings: ``M x D`` other samples than the batch's. Where given, the queries are the
            batch's, and positives and negatives are all of these and only these; gradients flow
            into them too.
        ref_labels: ``M``, integers.

    Returns:
        Scalar, float32 (float64 for float64 embeddings).

    Raises:
        ValueError: ``temperature`` is not positive and finite, ``max_positives`` is less than 1,
            a shape is wrong, or only one of the references' two is given.
    """
    check_ranking(temperature, max_positives)
    pairs = unit_pairs(embeddings, labels, ref_embeddings, ref_labels)
    return ranking_loss(
        pairs, _one_minus_precision, temperature=temperature, max_positives=max_positives
    )


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
        check_ranking(temperature, max_positives)
        self.temperature = temperature
        self.max_positives = max_positives

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of ``B x D`` embeddings and their ``B`` labels, as the function does."""
        return smooth_ap_loss(
            embeddings,
            labels,
            temperature=self.temperature,
            max_positives=self.max_positives,
            ref_embeddings=ref_embeddings,
            ref_labels=ref_labels,
        )


def _one_minus_precision(
    negatives: Tensor, positives: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return 1 - average precision, and its derivatives, as `ranking_loss` wants them.

    1 - (1 + m) / (1 + m + n) is n / (1 + m + n), which loses no digits near 0.
    """
    rank = 1 + positives + negatives
    share = valid.to(rank.dtype) / valid.sum(dim=1, keepdim=True).clamp(min=1) / rank
    missed = share * negatives
    return missed.sum(dim=1), share * (1 + positives) / rank, -missed / rank

"""The table of base losses. A new loss is one entry here, its settings and explanation with it.

Each setting becomes a field of `trainer.TrialConfig` under the loss's name, or its ``prefix``, and
a row of ``docs/spec.md`` (``python -m docs.generate``). Whoever reads a configuration imports this
module: torch and pytorch-metric-learning, which take a second, are imported where a loss is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from trainer.losses.settings import LossSettings, LossSizes, LossTable
from trainer.strict_model import Cosine, NonNegative, Positive

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LOSSES"]

LOSSES: Final = LossTable()
_loss = LOSSES.register


@_loss("smooth_ap")
class _SmoothAP(LossSettings):
    """Brown et al., ECCV 2020, arXiv 2007.12163: `smooth_ap_loss` of `trainer.losses`."""

    temperature: Positive = Field(0.01, description="temperature of the sigmoids")

    def build(self, sizes: LossSizes) -> nn.Module:
        from trainer.losses.smooth_ap import SmoothAPLoss

        return SmoothAPLoss(temperature=self.temperature, max_positives=sizes.max_positives)


@_loss("recall_at_k")
class _RecallAtK(LossSettings):
    """Patel et al., CVPR 2022, arXiv 2108.11179: `recall_at_k_loss` of `trainer.losses`."""

    temperature: Positive = Field(
        0.01, description="temperature of the sigmoids that estimate ranks"
    )
    rank_temperature: Positive = Field(
        1.0, description="temperature of the sigmoids that compare ranks with k = 1, 2, 4, 8, 16"
    )
    mixup: bool = Field(
        False, description="add a random mixture of every two samples of a class (SiMix)"
    )

    def build(self, sizes: LossSizes) -> nn.Module:
        from trainer.losses.recall_at_k import RecallAtKLoss

        return RecallAtKLoss(
            temperature=self.temperature,
            rank_temperature=self.rank_temperature,
            mixup=self.mixup,
            max_positives=sizes.max_positives,
        )


@_loss("proxy_anchor")
class _ProxyAnchor(LossSettings):
    """Kim et al., CVPR 2020, arXiv 2003.13911: learns a vector for each class."""

    margin: NonNegative = Field(0.1, description="margin of the cosine similarity")
    alpha: Positive = Field(32.0, description="scale")

    def build(self, sizes: LossSizes) -> nn.Module:
        loss: nn.Module = _pml_losses().ProxyAnchorLoss(
            sizes.num_classes, sizes.embedding_dim, margin=self.margin, alpha=self.alpha
        )
        return loss


@_loss("arcface")
class _ArcFace(LossSettings):
    """Deng et al., CVPR 2019, arXiv 1801.07698: learns a vector for each class."""

    margin: NonNegative = Field(28.6, description="margin of the angle in degrees")
    scale: Positive = Field(64.0, description="scale")

    def build(self, sizes: LossSizes) -> nn.Module:
        loss: nn.Module = _pml_losses().ArcFaceLoss(
            sizes.num_classes, sizes.embedding_dim, margin=self.margin, scale=self.scale
        )
        return loss


@_loss("multi_similarity")
class _MultiSimilarity(LossSettings):
    """Wang et al., CVPR 2019, arXiv 1904.06627: cosine similarity, miner's epsilon 0.1."""

    alpha: Positive = Field(2.0, description="weight of the positives")
    beta: Positive = Field(50.0, description="weight of the negatives")
    base: Cosine = Field(0.5, description="base, a cosine similarity")

    def build(self, sizes: LossSizes) -> nn.Module:  # noqa: ARG002
        from trainer.losses.mined import MinedLoss

        loss = _pml_losses().MultiSimilarityLoss(alpha=self.alpha, beta=self.beta, base=self.base)
        return MinedLoss(loss, _pml_miners().MultiSimilarityMiner(epsilon=0.1))


@_loss("contrastive")
class _Contrastive(LossSettings):
    """Hadsell et al., CVPR 2006: margins are distances on the unit sphere, not squared.

    Each of its two terms is a mean over the pairs with a loss above 0.
    """

    positive_margin: NonNegative = Field(
        0.0, description="distance that positive pairs are pulled below"
    )
    negative_margin: NonNegative = Field(
        1.0, description="distance that negative pairs are pushed above"
    )

    def build(self, sizes: LossSizes) -> nn.Module:  # noqa: ARG002
        loss: nn.Module = _pml_losses().ContrastiveLoss(
            pos_margin=self.positive_margin, neg_margin=self.negative_margin
        )
        return loss


@_loss("triplet_margin", prefix="triplet")
class _TripletMargin(LossSettings):
    """Schroff et al., CVPR 2015, arXiv 1503.03832: semi-hard triplets, distances not squared.

    A triplet is semi-hard if its negative is farther than its positive, by the margin at most. The
    loss is the mean over those; 0, with zero gradients, if there is none.
    """

    margin: NonNegative = Field(0.1, description="distance; semi-hard triplets")

    def build(self, sizes: LossSizes) -> nn.Module:  # noqa: ARG002
        from trainer.losses.mined import MinedLoss

        miner = _pml_miners().TripletMarginMiner(margin=self.margin, type_of_triplets="semihard")
        return MinedLoss(_pml_losses().TripletMarginLoss(margin=self.margin), miner)


@_loss("nt_xent")
class _NTXent(LossSettings):
    """Ermolov et al., CVPR 2022, arXiv 2203.10833, on the sphere: `nt_xent_loss` of ours."""

    temperature: Positive = Field(0.1, description="temperature of the similarities")

    def build(self, sizes: LossSizes) -> nn.Module:  # noqa: ARG002
        from trainer.losses.nt_xent import NTXentLoss

        return NTXentLoss(temperature=self.temperature)


def _pml_losses() -> Any:
    from pytorch_metric_learning import losses

    return losses


def _pml_miners() -> Any:
    from pytorch_metric_learning import miners

    return miners

"""The losses a trial can train with: one record each, and what builds them from a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from objectives import InputError
from trainer.losses.recall_at_k import RecallAtKLoss
from trainer.losses.smooth_ap import SmoothAPLoss
from trainer.losses.tcm import TCMLoss

if TYPE_CHECKING:
    from trainer.config import TrialConfig  # which reads LOSSES: importing it here is a cycle

__all__ = ["LOSSES", "EmbeddingLoss", "LossRecord", "build_loss", "get_loss"]


@dataclass(frozen=True, kw_only=True)
class LossRecord:
    """One base loss.

    Attributes:
        name: What ``TrialConfig.loss`` calls it.
        build: Makes the loss, a module from (``B x D`` embeddings, ``B`` labels) to a scalar, from
            a configuration, the number of training classes, and the most positives of a sample in
            a batch, None where that is not known.
    """

    name: str
    build: Callable[[TrialConfig, int, int | None], nn.Module]


class EmbeddingLoss(nn.Module):
    """A base loss plus, where there is one, the TCM loss.

    Everything is computed in float32 (float64 for float64 embeddings), under autocast too: the
    proxies of a proxy loss would else be cast, for good, to the embeddings' dtype.

    Args:
        base: Module from (embeddings, labels) to a scalar; its parameters are the proxies.
        tcm: The TCM loss; None in a control.
    """

    def __init__(self, base: nn.Module, tcm: TCMLoss | None = None) -> None:
        super().__init__()
        self.base = base
        self.tcm = tcm

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            embeddings: ``B x D``, of any norm.
            labels: ``B``, int64; in ``0 .. num_classes - 1`` where the loss learns proxies.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            precise = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
            loss: Tensor = self.base(precise, labels)
            return loss if self.tcm is None else loss + self.tcm(precise, labels)

    def proxy_parameters(self) -> list[nn.Parameter]:
        """Return the base loss's learnable parameters: its proxies, or none."""
        return list(self.base.parameters())


def build_loss(config: TrialConfig, *, num_classes: int, balanced: bool = False) -> EmbeddingLoss:
    """Return the loss of a trial: its base loss, plus TCM unless both TCM weights are 0.

    Args:
        config: The trial.
        num_classes: Number of training classes, >= 1; a proxy loss learns one proxy for each.
        balanced: Whether no batch has more than ``config.samples_per_class`` of a class. The
            ranking losses then need less time on CUDA, and are NaN where it is not so.

    Raises:
        InputError: ``config.loss`` is unknown.
        ValueError: ``num_classes`` is less than 1.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes ({num_classes}) must be at least 1")
    most_positives = config.samples_per_class - 1 if balanced else None
    base = get_loss(config.loss).build(config, num_classes, most_positives)
    return EmbeddingLoss(base, None if config.is_control else _tcm(config))


def get_loss(name: str) -> LossRecord:
    """Return the record of that name.

    Raises:
        InputError: There is none of that name; the message lists those there are.
    """
    try:
        return LOSSES[name]
    except KeyError:
        raise InputError(f"loss: {name!r} is not one of {', '.join(LOSSES)}") from None


class _MinedLoss(nn.Module):
    """A loss of pytorch-metric-learning over the pairs or triplets that a miner picks."""

    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return loss


def _tcm(config: TrialConfig) -> TCMLoss:
    return TCMLoss(
        margin_positive=config.margin_positive,
        margin_negative=config.margin_negative,
        weight_positive=config.weight_positive,
        weight_negative=config.weight_negative,
    )


# pytorch-metric-learning is imported where a loss is built: it takes half a second, and every
# reader of a configuration imports this module.
def _pml_losses() -> Any:
    from pytorch_metric_learning import losses

    return losses


def _pml_miners() -> Any:
    from pytorch_metric_learning import miners

    return miners


def _smooth_ap(config: TrialConfig, _classes: int, most_positives: int | None) -> nn.Module:
    return SmoothAPLoss(temperature=config.smooth_ap_temperature, max_positives=most_positives)


def _recall_at_k(config: TrialConfig, _classes: int, most_positives: int | None) -> nn.Module:
    return RecallAtKLoss(
        temperature=config.recall_at_k_temperature,
        rank_temperature=config.recall_at_k_rank_temperature,
        mixup=config.recall_at_k_mixup,
        max_positives=most_positives,
    )


def _proxy_anchor(config: TrialConfig, num_classes: int, _most: int | None) -> nn.Module:
    """Kim et al., CVPR 2020, arXiv 2003.13911: cosine similarity, margin in cosine."""
    loss: nn.Module = _pml_losses().ProxyAnchorLoss(
        num_classes,
        config.embedding_dim,
        margin=config.proxy_anchor_margin,
        alpha=config.proxy_anchor_alpha,
    )
    return loss


def _arcface(config: TrialConfig, num_classes: int, _most: int | None) -> nn.Module:
    """Deng et al., CVPR 2019, arXiv 1801.07698: margin in degrees."""
    loss: nn.Module = _pml_losses().ArcFaceLoss(
        num_classes,
        config.embedding_dim,
        margin=config.arcface_margin,
        scale=config.arcface_scale,
    )
    return loss


def _multi_similarity(config: TrialConfig, _classes: int, _most: int | None) -> nn.Module:
    """Wang et al., CVPR 2019, arXiv 1904.06627: cosine similarity, miner's epsilon 0.1."""
    loss = _pml_losses().MultiSimilarityLoss(
        alpha=config.multi_similarity_alpha,
        beta=config.multi_similarity_beta,
        base=config.multi_similarity_base,
    )
    return _MinedLoss(loss, _pml_miners().MultiSimilarityMiner(epsilon=0.1))


def _contrastive(config: TrialConfig, _classes: int, _most: int | None) -> nn.Module:
    """Hadsell et al., CVPR 2006: margins are distances on the unit sphere, not squared.

    Each of its two terms is a mean over the pairs with a loss above 0.
    """
    loss: nn.Module = _pml_losses().ContrastiveLoss(
        pos_margin=config.contrastive_positive_margin,
        neg_margin=config.contrastive_negative_margin,
    )
    return loss


def _triplet_margin(config: TrialConfig, _classes: int, _most: int | None) -> nn.Module:
    """Schroff et al., CVPR 2015, arXiv 1503.03832: semi-hard triplets, distances not squared.

    A triplet is semi-hard if its negative is farther than its positive, by the margin at most. The
    loss is the mean over those; 0, with zero gradients, if there is none.
    """
    margin = config.triplet_margin
    miner = _pml_miners().TripletMarginMiner(margin=margin, type_of_triplets="semihard")
    return _MinedLoss(_pml_losses().TripletMarginLoss(margin=margin), miner)


def _table(records: Iterable[LossRecord]) -> Mapping[str, LossRecord]:
    table: dict[str, LossRecord] = {}
    for record in records:
        if record.name in table:
            raise ValueError(f"loss {record.name!r} is there twice; there are {', '.join(table)}")
        table[record.name] = record
    return MappingProxyType(table)


LOSSES: Final[Mapping[str, LossRecord]] = _table(
    (
        LossRecord(name="smooth_ap", build=_smooth_ap),
        LossRecord(name="recall_at_k", build=_recall_at_k),
        LossRecord(name="proxy_anchor", build=_proxy_anchor),
        LossRecord(name="arcface", build=_arcface),
        LossRecord(name="multi_similarity", build=_multi_similarity),
        LossRecord(name="contrastive", build=_contrastive),
        LossRecord(name="triplet_margin", build=_triplet_margin),
    )
)

"""The loss of a trial: a base loss, and the TCM loss added to it."""

import torch
from torch import Tensor, nn

from trainer.config import TrialConfig
from trainer.losses import LOSSES, LossSizes, TCMLoss

__all__ = ["EmbeddingLoss", "build_loss"]


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
    sizes = LossSizes(
        num_classes=num_classes,
        embedding_dim=config.embedding_dim,
        max_positives=config.samples_per_class - 1 if balanced else None,
    )
    base = LOSSES.find(config.loss).build(config, sizes)
    return EmbeddingLoss(base, None if config.is_control else _tcm(config))


def _tcm(config: TrialConfig) -> TCMLoss:
    return TCMLoss(
        margin_positive=config.margin_positive,
        margin_negative=config.margin_negative,
        weight_positive=config.weight_positive,
        weight_negative=config.weight_negative,
    )

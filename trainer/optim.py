"""The optimiser of a training run, AdamW, and the schedule of its learning rate."""

import math

import timm.optim
import torch

from trainer.config import TrialConfig
from trainer.embedder import Embedder
from trainer.embedding_loss import EmbeddingLoss

__all__ = ["build_optimizer", "build_schedule"]


def build_optimizer(
    embedder: Embedder, loss: EmbeddingLoss, config: TrialConfig
) -> torch.optim.Optimizer:
    """Return AdamW over the model and, at a rate of their own and undecayed, the loss's proxies."""
    # timm's grouping keeps biases, norms, and what the trunk names (positions) out of the decay.
    exempt: set[str] = getattr(embedder.trunk, "no_weight_decay", set)()
    groups = timm.optim.param_groups_weight_decay(
        embedder, config.weight_decay, no_weight_decay_list=[f"trunk.{name}" for name in exempt]
    )
    proxies = list(loss.proxy_parameters())
    if proxies:
        rate = config.learning_rate * config.proxy_learning_rate_factor
        groups = [*groups, {"params": proxies, "lr": rate, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def build_schedule(
    optimizer: torch.optim.Optimizer, config: TrialConfig, *, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a linear warm-up, then a cosine to zero at the last step."""
    steps = config.epochs * steps_per_epoch
    warmup = min(config.warmup_epochs * steps_per_epoch, steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        share = min(1.0, (step - warmup) / max(1.0, steps - warmup))
        return 0.5 * (1 + math.cos(math.pi * share))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

"""The optimiser of a training run, the schedule of its learning rates, and clipped gradients."""

import math

import timm.optim
import torch
from torch import nn

from trainer.config import TrialConfig
from trainer.embedder import Embedder
from trainer.embedding_loss import EmbeddingLoss
from trainer.step_plan import StepPlan

__all__ = ["build_optimizer", "build_schedule", "clip_gradients"]


def build_optimizer(
    embedder: Embedder, loss: EmbeddingLoss, config: TrialConfig
) -> torch.optim.Optimizer:
    """Return the optimiser over trunk, head and the loss's proxies, each at a rate of its own.

    Biases, norms, what the trunk names (positions) and proxies do not decay. What is frozen for
    good is in no group.
    """
    rate = config.learning_rate
    head = nn.ModuleList([each for name, each in embedder.named_children() if name != "trunk"])
    groups = [
        *_groups(embedder.trunk, rate * config.trunk_learning_rate_factor, config),
        *_groups(head, rate, config),
    ]
    proxies = list(loss.proxy_parameters())
    if proxies:
        own = rate * config.proxy_learning_rate_factor
        groups.append({"params": proxies, "lr": own, "weight_decay": 0.0})
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=config.momentum, fused=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate, fused=True)


def build_schedule(
    optimizer: torch.optim.Optimizer, config: TrialConfig, plan: StepPlan
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a linear warm-up, and then the schedule that the configuration names."""
    warmup = min(config.warmup_epochs * plan.steps_per_epoch, plan.steps)
    falls = [plan.end(epoch) for epoch in config.step_epochs]

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if config.schedule == "cosine":
            share = min(1.0, (step - warmup) / max(1.0, plan.steps - warmup))
            return 0.5 * (1 + math.cos(math.pi * share))
        if config.schedule == "step":
            return float(config.step_factor ** sum(step >= fall for fall in falls))
        return 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def clip_gradients(optimizer: torch.optim.Optimizer, config: TrialConfig) -> None:
    """Clip the gradients of all that the optimiser trains: each component, then their norm.

    Never waits for the device; a norm that is not finite leaves gradients that are not.
    """
    if config.clip_value is None and config.clip_norm is None:
        return
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    if config.clip_value is not None:
        nn.utils.clip_grad_value_(parameters, config.clip_value)
    if config.clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)


def _groups(model: nn.Module, rate: float, config: TrialConfig) -> list[dict[str, object]]:
    """Return groups with and without decay, as timm tells them apart."""
    exempt: set[str] = getattr(model, "no_weight_decay", set)()
    found = timm.optim.param_groups_weight_decay(
        model, config.weight_decay, no_weight_decay_list=exempt
    )
    return [group | {"lr": rate} for group in found]

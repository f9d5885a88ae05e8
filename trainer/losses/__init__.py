"""The losses of a trial: TCM and the ranking losses are ours, others pytorch-metric-learning's."""

from trainer.losses.recall_at_k import RecallAtKLoss, recall_at_k_loss
from trainer.losses.registry import LOSSES, EmbeddingLoss, build_loss
from trainer.losses.smooth_ap import SmoothAPLoss, smooth_ap_loss
from trainer.losses.tcm import TCMLoss, tcm_loss

__all__ = [
    "LOSSES",
    "EmbeddingLoss",
    "RecallAtKLoss",
    "SmoothAPLoss",
    "TCMLoss",
    "build_loss",
    "recall_at_k_loss",
    "smooth_ap_loss",
    "tcm_loss",
]

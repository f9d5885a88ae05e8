"""The losses of a trial: TCM and Smooth-AP are ours, the others pytorch-metric-learning's."""

from trainer.losses.registry import LOSSES, EmbeddingLoss, build_loss
from trainer.losses.smooth_ap import SmoothAPLoss, smooth_ap_loss
from trainer.losses.tcm import TCMLoss, tcm_loss

__all__ = [
    "LOSSES",
    "EmbeddingLoss",
    "SmoothAPLoss",
    "TCMLoss",
    "build_loss",
    "smooth_ap_loss",
    "tcm_loss",
]

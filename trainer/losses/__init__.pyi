from .nt_xent import NTXentLoss, nt_xent_loss
from .recall_at_k import RecallAtKLoss, recall_at_k_loss
from .settings import LossRecord, LossSettings, LossSizes, LossTable
from .smooth_ap import SmoothAPLoss, smooth_ap_loss
from .table import LOSSES
from .tcm import TCMLoss, tcm_loss

__all__ = [
    "LOSSES",
    "LossRecord",
    "LossSettings",
    "LossSizes",
    "LossTable",
    "NTXentLoss",
    "RecallAtKLoss",
    "SmoothAPLoss",
    "TCMLoss",
    "nt_xent_loss",
    "recall_at_k_loss",
    "smooth_ap_loss",
    "tcm_loss",
]

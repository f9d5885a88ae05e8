"""Confirmation of a configuration: trained once more, on more classes, and tested at the end."""

import torch

from objectives import Calibration
from trainer.config import TrialConfig
from trainer.data import SplitDataset
from trainer.trial_run import TrialRun

__all__ = ["confirmation_run"]


def confirmation_run(
    config: TrialConfig,
    data: SplitDataset,
    *,
    device: torch.device,
    calibration: Calibration,
) -> TrialRun:
    """Return a trial on the classes of train and validation together; the test classes score it.

    `TrialRun.advance` ends it at once: the test classes are scored once. It takes the epochs, or
    the ``steps``, that the configuration says, as a trial of the sweep does. There are more classes
    than the sweep trained on: epochs are longer for it, while ``steps``, which stay as many, pass
    over each image less often.

    Args:
        config: The hyperparameters.
        data: Images and class-disjoint splits, as the sweep has them.
        device: The device to train on.
        calibration: The range of distances over which consistency is judged.
    """
    return TrialRun(
        config,
        data.for_confirmation(),
        device=device,
        calibration=calibration,
        scored="test",
        once=True,
    )

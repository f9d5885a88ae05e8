"""Single steps of a training run."""

from torch import Tensor

from trainer import TrainingRun


def train_on(run: TrainingRun, places: Tensor) -> float:
    """Train a step on the images at these places of the training split; return its loss."""
    ((batch, labels),) = run._labelled([places])
    return run._train_step(batch, labels).item()

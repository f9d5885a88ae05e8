"""Checkpoints of a training run, written whole or not at all."""

from pathlib import Path

import torch

from trainer.atomic import written_whole
from trainer.engine import TrainingRun

__all__ = ["load_checkpoint", "save_checkpoint"]

_FILE = "trial.pt"


def save_checkpoint(run: TrainingRun, folder: Path) -> None:
    """Write the run's state into the folder."""
    with written_whole(folder / _FILE) as file:
        torch.save(run.state_dict(), file)


def load_checkpoint(run: TrainingRun, folder: Path) -> None:
    """Restore the state that `save_checkpoint` wrote for the same configuration and data.

    Raises:
        ValueError: The checkpoint belongs to another configuration.
    """
    state = torch.load(folder / _FILE, weights_only=True, map_location="cpu")
    if state["config"] != run.config.model_dump(mode="json"):
        raise ValueError(f"{folder / _FILE} belongs to another configuration")
    run.load_state_dict(state)

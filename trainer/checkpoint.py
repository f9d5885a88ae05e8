"""Checkpoints of a trial, written whole or not at all."""

from pathlib import Path

import torch

from trainer.engine import Trial

__all__ = ["load_checkpoint", "save_checkpoint"]

_FILE = "trial.pt"


def save_checkpoint(trial: Trial, folder: Path) -> None:
    """Write the trial's state into the folder."""
    partial = folder / f"{_FILE}.partial"
    torch.save(trial.state_dict(), partial)
    partial.replace(folder / _FILE)


def load_checkpoint(trial: Trial, folder: Path) -> None:
    """Restore the state that `save_checkpoint` wrote for the same configuration and data.

    Raises:
        ValueError: The checkpoint belongs to another configuration.
    """
    state = torch.load(folder / _FILE, weights_only=True, map_location="cpu")
    if state["config"] != trial.config.model_dump():
        raise ValueError(f"{folder / _FILE} belongs to another configuration")
    trial.load_state_dict(state)

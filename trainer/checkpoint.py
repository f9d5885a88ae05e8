"""Checkpoints of a training run, written whole or not at all."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainer.atomic import written_whole
from trainer.engine import TrainingRun

__all__ = ["load_checkpoint", "load_state", "save_checkpoint", "save_state"]

_FILE = "trial.pt"


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write tensors, numbers, texts and what is made of them to a file.

    Raises:
        OSError: The folder is not there, or cannot be written to.
    """
    with written_whole(path) as file:
        torch.save(dict(state), file)


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, to the CPU; no code that the file may hold is run.

    Raises:
        ValueError: It is not such a file, or is damaged.
        OSError: It cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no checkpoint, or damaged") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} is no checkpoint")
    return state


def save_checkpoint(run: TrainingRun, folder: Path) -> None:
    """Write the run's state into the folder."""
    save_state(run.state_dict(), folder / _FILE)


def load_checkpoint(run: TrainingRun, folder: Path) -> None:
    """Restore the state that `save_checkpoint` wrote for the same configuration and data.

    Raises:
        ValueError: The checkpoint belongs to another configuration.
    """
    state = load_state(folder / _FILE)
    if state["config"] != run.config.model_dump(mode="json"):
        raise ValueError(f"{folder / _FILE} belongs to another configuration")
    run.load_state_dict(state)

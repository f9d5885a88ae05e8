"""Confirmation of a configuration: trained once more, on more classes, and tested at the end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from objectives import Calibration
from trainer.config import TrialConfig
from trainer.data import SplitDataset
from trainer.image_batches import evaluation_crop
from trainer.kept_weights import KeptWeights
from trainer.measurement import Measurement
from trainer.trial_run import TrialRun
from trainer.trunk_input import TrunkInput

__all__ = ["ConfirmationRun"]


class ConfirmationRun:
    """A trial on the classes of train and validation together, scored on the test classes once.

    It takes the epochs, or the ``steps``, that the configuration says, as a trial of the sweep
    does. There are more classes than the sweep trained on: epochs are longer for it, while
    ``steps``, which stay as many, pass over each image less often.

    Args:
        config: The hyperparameters.
        data: Images and class-disjoint splits, as the sweep has them.
        device: The device to train on.
        calibration: The range of distances over which consistency is judged.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: SplitDataset,
        *,
        device: torch.device,
        calibration: Calibration,
    ) -> None:
        self._config = config
        self._data = data.for_confirmation()
        self._trial = TrialRun(
            config.model_copy(update={"evaluate_every": config.epochs}),
            self._data,
            device=device,
            calibration=calibration,
            scored="test",
        )
        self._metrics: dict[str, float] = {}

    def advance(self) -> Measurement:
        """Train to the last epoch, and measure on the test classes.

        Raises:
            InputError: As `TrialRun.advance`.
            TrialFailed: As `TrialRun.advance`.
        """
        found = self._trial.advance()
        self._metrics = dict(found.metrics)
        return found

    @property
    def between_steps(self) -> Callable[[], None]:
        """As `TrialRun`'s."""
        return self._trial.between_steps

    @between_steps.setter
    def between_steps(self, call: Callable[[], None]) -> None:
        self._trial.between_steps = call

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run, and what is kept of it, depend on."""
        return {**self._trial.state_dict(), "metrics": self._metrics}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned for the same configuration and data."""
        self._trial.load_state_dict(state)
        self._metrics = dict(state["metrics"])

    def keep(self, path: Path) -> None:
        """Write the embedder to a file that `trainer.load_embedder` reads.

        Raises:
            ValueError: Nothing was trained and measured yet.
            OSError: The folder is not there, or cannot be written to.
        """
        if not self._metrics:
            raise ValueError("there are no weights to keep before the run is measured")
        embedder = self._trial.embedder
        KeptWeights(
            config=self._config,
            trunk_input=self._seen(embedder.trunk_input),
            metrics=self._metrics,
            embedder=embedder,
        ).save(path)

    def _seen(self, trunk_input: TrunkInput) -> TrunkInput:
        """Return the trunk's input as the data, and what can be computed, leave it."""
        crop = evaluation_crop(self._data.dataset, trunk_input)
        return replace(
            trunk_input,
            interpolation=crop.interpolation,
            crop_share=crop.share,
            crop_mode="squash" if crop.squash else "center",
        )

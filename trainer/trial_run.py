"""The run of a trial: a training run within the memory that its process is given."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from objectives import Calibration
from trainer.config import TrialConfig
from trainer.data import Split, SplitDataset
from trainer.device_memory import is_out_of_memory, release_memory, widen_memory
from trainer.embedder import Embedder
from trainer.engine import TrainingRun
from trainer.errors import OutOfMemory
from trainer.image_batches import evaluation_crop
from trainer.kept_weights import KeptWeights
from trainer.measurement import Measurement
from trainer.peak_memory import PeakMemory
from trainer.trunk_input import TrunkInput

__all__ = ["TrialRun"]

# Below it, what a step holds is hardly its images'.
_LEAST: Final = 8
_MIB: Final = 2**20


class TrialRun:
    """A training run that begins again, in less memory, where memory runs out.

    It begins again under the same seed with micro-batches of half the size: the batch, its loss and
    its gradients stay what they are (`trainer.gradient_cache`, which says what BatchNorm does).
    Where they cannot be halved any more, the process may take twice of a CUDA device what it might
    (`trainer.device_memory.bound_memory`), as far as that is free, once. What was measured before
    is trained again, and not measured twice.

    Measurements have ``peak_memory_mib`` too, since the training run began (`PeakMemory`), and
    ``micro_batch_size`` where it is another than the configuration's.

    Args:
        config: The hyperparameters.
        data: Images and class-disjoint splits.
        device: The device to train on.
        calibration: The range of distances over which consistency is judged.
        scored: The split that `advance` measures.
        once: Whether it does so at the last epoch only.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: SplitDataset,
        *,
        device: torch.device,
        calibration: Calibration,
        scored: Split = "validation",
        once: bool = False,
    ) -> None:
        every = config.epochs if once else config.evaluate_every
        self._asked = config
        self._config = config.model_copy(update={"evaluate_every": every})
        self._data = data
        self._device = device
        self._calibration = calibration
        self._scored: Split = scored
        self._peak = PeakMemory(device)
        self._run: TrainingRun | None = None
        self._between_steps: Callable[[], None] = lambda: None
        self._measured = 0
        self._metrics: dict[str, float] = {}
        self._widened = False

    def advance(self) -> Measurement:
        """Train to the next epoch that is measured, and measure on the classes of the split.

        Raises:
            InputError: As `TrainingRun`.
            TrialFailed: As `TrainingRun.advance`.
            OutOfMemory: Memory ran out for good.
        """
        found = self._attempt()
        while found is None:
            self._economise()
            found = self._attempt()
        self._measured = found.epoch
        self._metrics = {**found.metrics, **self._costs()}
        return replace(found, metrics=dict(self._metrics))

    @property
    def between_steps(self) -> Callable[[], None]:
        """As `TrainingRun`'s."""
        return self._between_steps

    @between_steps.setter
    def between_steps(self, call: Callable[[], None]) -> None:
        self._between_steps = call
        if self._run is not None:
            self._run.between_steps = call

    @property
    def embedder(self) -> Embedder:
        """The model as it is trained so far; where memory runs out, another one takes its place."""
        return self._begun().embedder

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the course depends on."""
        course = self._begun().state_dict()
        return {**course, "handed_over": self._measured, "metrics": dict(self._metrics)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned for the same configuration and data."""
        size = state["config"]["micro_batch_size"]
        self._config = self._config.model_copy(update={"micro_batch_size": size})
        self._run = None
        run = self._begun()
        run.load_state_dict(state)
        self._measured = state["handed_over"]
        self._metrics = dict(state.get("metrics", {}))

    def keep(self, path: Path) -> None:
        """Write the embedder to a file that `trainer.load_embedder` reads.

        Raises:
            ValueError: Nothing was trained and measured yet.
            OSError: The folder is not there, or cannot be written to.
        """
        if not self._metrics:
            raise ValueError("there are no weights to keep before the run is measured")
        embedder = self._begun().embedder
        KeptWeights(
            config=self._asked,
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

    def _begun(self) -> TrainingRun:
        if self._run is None:
            self._peak.begin()
            self._run = TrainingRun(
                self._config,
                self._data,
                device=self._device,
                calibration=self._calibration,
                scored=self._scored,
            )
            self._run.between_steps = self._between_steps
        return self._run

    def _attempt(self) -> Measurement | None:
        """Measure the next epoch that was not measured yet; None where memory ran out."""
        try:
            found = self._begun().advance()
            while found.epoch <= self._measured:
                found = self._begun().advance()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._run = None
            return None
        return found

    def _economise(self) -> None:
        """Let the next attempt do with less; called when the last one's tensors are out of reach.

        Raises:
            OutOfMemory: There is nothing left to be saved.
        """
        release_memory()
        size = self._micro_batch_size
        if size > _LEAST:
            smaller = max(-(-size // 2), _LEAST)
            self._config = self._config.model_copy(update={"micro_batch_size": smaller})
            return
        if self._widened or not widen_memory(self._device):
            where = "with twice its share of the GPU" if self._widened else f"on {self._device}"
            raise OutOfMemory(f"out of memory with micro-batches of {size} images, {where}")
        self._widened = True

    @property
    def _micro_batch_size(self) -> int:
        whole = self._config.batch_size
        return min(self._config.micro_batch_size or whole, whole)

    def _costs(self) -> dict[str, float]:
        costs = {"peak_memory_mib": self._peak.so_far() / _MIB}
        if self._config.micro_batch_size != self._asked.micro_batch_size:
            costs["micro_batch_size"] = float(self._micro_batch_size)
        return costs

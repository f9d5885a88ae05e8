"""The training run of one configuration, which trains and measures."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from objectives import Calibration
from trainer.config import TrialConfig
from trainer.data import Split, SplitDataset
from trainer.device_images import to_device
from trainer.embedder import build_embedder
from trainer.embedding_loss import build_loss
from trainer.errors import TrialFailed
from trainer.gradient_cache import backward_in_micro_batches
from trainer.image_batches import embedding_batches
from trainer.inputs import InputBatch, build_inputs
from trainer.measurement import Measurement
from trainer.optim import build_optimizer, build_schedule, clip_gradients
from trainer.sampler import ClassBalancedBatches
from trainer.split_score import score_split
from trainer.step_plan import plan_steps

__all__ = ["TrainingRun", "train"]


class TrainingRun:
    """The training of one configuration, from one measured epoch to the next.

    Under the same configuration, data, device and number of threads the course is the same on a
    CPU, whatever ran before in the process, and also when it is interrupted by `state_dict` and
    `load_state_dict`: after `advance`, or within it, when it calls ``between_steps``.

    Args:
        config: The hyperparameters.
        data: Images and class-disjoint splits.
        device: The device to train on.
        calibration: The range of distances over which consistency is judged.
        scored: The split that `advance` measures.

    Attributes:
        epoch: The epochs that are over.
        between_steps: Called before each step.

    Raises:
        InputError: There is no such backbone, or it does not take images of this size, or the
            training split has too few classes for a batch.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: SplitDataset,
        *,
        device: torch.device,
        calibration: Calibration,
        scored: Split = "validation",
    ) -> None:
        self.config = config
        self.epoch = 0
        self.between_steps: Callable[[], None] = lambda: None
        self._data = data
        self._device = device
        self._calibration = calibration
        self._scored: Split = scored
        torch.manual_seed(config.seed)
        self._batch_generator = torch.Generator().manual_seed(config.seed)
        classes, self._labels = torch.unique(data.dataset.labels[data.train], return_inverse=True)
        self._batches = ClassBalancedBatches(
            self._labels,
            batch_size=config.batch_size,
            samples_per_class=config.samples_per_class,
            generator=self._batch_generator,
        )
        self.embedder = build_embedder(
            config,
            channels=data.dataset.images.channels,
            image_size=data.dataset.image_size,
        ).to(device)
        if config.compile_trunk:
            # A process compiles the same function anew only so many times, then no more.
            torch.compiler.reset()
            self.embedder.compile_trunk()
        self._inputs = build_inputs(self.embedder, data, device=device, config=config)
        frozen = config.trunk == "frozen"
        self._embed: Callable[[Tensor], Tensor] = self.embedder.project if frozen else self.embedder
        self.loss = build_loss(config, num_classes=len(classes), balanced=True).to(device)
        self._optimizer = build_optimizer(self.embedder, self.loss, config)
        self._plan = plan_steps(
            epochs=config.epochs, steps=config.steps, batches=len(self._batches)
        )
        self._schedule = build_schedule(self._optimizer, config, self._plan)
        # What is under way since the last measurement, and in the epoch.
        self._measured, self._losses = 0, 0.0
        self._step, self._epoch_losses = 0, torch.zeros((), device=device)
        # States of the generators, of which an epoch draws its batches at once, and inputs ahead.
        self._drawn_from: tuple[Tensor, Tensor] | None = None

    def advance(self) -> Measurement:
        """Train to the next epoch that is measured, and measure on the classes of the split.

        Raises:
            TrialFailed: The loss or the embeddings are not finite, or the embeddings collapsed.
        """
        started = time.perf_counter()
        train_loss = self._train_epochs()
        trained = time.perf_counter()
        metrics = self.score(self._scored)
        return Measurement(
            epoch=self.epoch,
            seed=self.config.seed,
            split=self._scored,
            metrics=metrics
            | {
                "train_loss": train_loss,
                "train_seconds": trained - started,
                "score_seconds": time.perf_counter() - trained,
            },
        )

    def probe_step(self) -> None:
        """Train on one batch outside of any epoch, to see what a step costs."""
        self.embedder.train()
        ((batch, labels),) = self._labelled([next(iter(self._batches))])
        self._train_step(batch, labels)

    def score(self, split: Split) -> dict[str, float]:
        """Embed and score the classes of a split.

        Raises:
            TrialFailed: The embeddings are not finite, or collapsed, or a metric is undefined.
        """
        embeddings = self.embed(self._data.indices(split))
        when = f"at epoch {self.epoch}"
        return score_split(embeddings, self._data, split, self._calibration, when=when)

    @torch.inference_mode()
    def embed(self, indices: Tensor) -> Tensor:
        """Embed the images of these indices, N x D, without augmentation."""
        self.embedder.eval()
        parts = embedding_batches(
            indices, self.config, image_size=self._data.dataset.image_size, device=self._device
        )
        batches = self._inputs.evaluation(parts)
        return torch.cat([self._embed(batch.inputs()) for batch in batches])

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the course depends on."""
        now = (self._batch_generator.get_state(), self._inputs.generator.get_state())
        batches, augmentation = self._drawn_from or now
        return {
            "config": self.config.model_dump(mode="json"),
            "epoch": self.epoch,
            "embedder": self.embedder.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "measured": self._measured,
            "losses": self._losses,
            "step": self._step,
            "epoch_losses": self._epoch_losses,
            "batch_generator": batches,
            "augment_generator": augmentation,
            "torch_generator": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned for the same configuration and data."""
        self.epoch = state["epoch"]
        self.embedder.load_state_dict(state["embedder"])
        self.loss.load_state_dict(state["loss"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._measured, self._losses = state["measured"], state["losses"]
        self._step, self._epoch_losses = state["step"], state["epoch_losses"].to(self._device)
        self._drawn_from = None
        self._batch_generator.set_state(state["batch_generator"])
        self._inputs.generator.set_state(state["augment_generator"])
        torch.set_rng_state(state["torch_generator"])

    def _train_epochs(self) -> float:
        """Train to the next epoch that is measured; return the mean loss of the steps."""
        self._train_epoch()
        while not self._is_measured():
            self._train_epoch()
        mean = self._losses / (self._plan.end(self.epoch) - self._plan.end(self._measured))
        self._measured, self._losses = self.epoch, 0.0
        return mean

    def _is_measured(self) -> bool:
        return self.epoch % self.config.evaluate_every == 0 or self.epoch >= self.config.epochs

    def _train_epoch(self) -> None:
        """Train one epoch, or what is left of it."""
        self.embedder.hold_trunk(self.epoch < self.config.head_warmup_epochs)
        self.embedder.train()
        order = self._batch_generator.get_state()
        drawn = list(self._batches.take(self._plan.length(self.epoch + 1)))
        states: deque[Tensor] = deque()

        def note() -> None:
            states.append(self._inputs.generator.get_state())

        for batch, labels in self._labelled(drawn[self._step :], before_each=note):
            self._drawn_from = (order, states.popleft())
            self.between_steps()
            self._epoch_losses += self._train_step(batch, labels)
            self._step += 1
        total = float(self._epoch_losses)
        self.epoch += 1
        self._losses += total
        self._step, self._drawn_from = 0, None
        self._epoch_losses.zero_()
        if not math.isfinite(total):
            raise TrialFailed(f"the training loss is not finite at epoch {self.epoch}")

    def _labelled(
        self, batches: Sequence[Tensor], *, before_each: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[InputBatch, Tensor]]:
        """Yield batches of these places among the training images, with their labels.

        Args:
            batches: Places, B each.
            before_each: Called before a batch is drawn and augmented, perhaps by another thread,
                and ahead of those that were yielded.
        """

        def indices() -> Iterator[Tensor]:
            for places in batches:
                before_each()
                yield self._data.train[places]

        inputs = self._inputs.training(indices())
        for places, batch in zip(batches, inputs, strict=True):
            yield batch, to_device(self._labels[places], self._device)

    def _train_step(self, batch: InputBatch, labels: Tensor) -> Tensor:
        self._optimizer.zero_grad()
        loss = self._backward(batch, labels)
        clip_gradients(self._optimizer, self.config)
        self._optimizer.step()
        self._schedule.step()
        return loss

    def _backward(self, batch: InputBatch, labels: Tensor) -> Tensor:
        """Return the loss of a batch, and leave its gradients."""
        size = self.config.micro_batch_size

        def embed(rows: slice) -> Tensor:
            return self._embed(batch.inputs(rows))

        def judge(embeddings: Tensor) -> Tensor:
            loss: Tensor = self.loss(embeddings, labels)
            return loss

        if size is not None and size < len(labels):
            return backward_in_micro_batches(
                self.embedder, embed, judge, batch_size=len(labels), micro_batch_size=size
            )
        loss = judge(embed(slice(0, len(labels))))
        loss.backward()
        return loss.detach()


def train(
    config: TrialConfig,
    data: SplitDataset,
    *,
    report: Callable[[Measurement], bool],
    device: torch.device | None = None,
    calibration: Calibration | None = None,
) -> TrainingRun:
    """Train a configuration to its last epoch, reporting each measurement.

    Args:
        config: The hyperparameters.
        data: Images and splits.
        report: Receives each measurement; training stops where it returns False.
        device: The device to train on; the CPU if None.
        calibration: The range over which consistency is judged; the default if None.

    Raises:
        InputError: As `TrainingRun`.
        TrialFailed: As `TrainingRun.advance`.
    """
    run = TrainingRun(
        config,
        data,
        device=device or torch.device("cpu"),
        calibration=calibration or Calibration(),
    )
    while run.epoch < config.epochs and report(run.advance()):
        pass
    return run

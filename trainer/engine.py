"""Training and measuring one configuration."""

import math
import time
from collections.abc import Callable
from typing import Any

import timm.optim
import torch
from torch import Tensor

from objectives import Calibration, score_embeddings
from trainer.augment import augmentation_draws, light_augment
from trainer.config import TrialConfig
from trainer.data import SplitDataset
from trainer.device_images import DeviceImages, to_device, to_floats
from trainer.embedder import Embedder
from trainer.errors import TrialFailed
from trainer.gradient_cache import backward_in_micro_batches
from trainer.losses import EmbeddingLoss, build_loss
from trainer.measurement import EvaluationSplit, Measurement
from trainer.sampler import ClassBalancedBatches

__all__ = ["Trial", "run_trial"]

_EMBED_BATCH = 256
# Mean squared distance of unit embeddings from their mean below which they are one point.
_COLLAPSED = 1e-6


class Trial:
    """One configuration in training, an epoch at a time.

    Under the same configuration, data, device and number of threads the course is the same on a
    CPU, whatever ran before in the process, and also when it is interrupted by `state_dict` and
    `load_state_dict`.

    Args:
        config: The hyperparameters.
        data: Images and class-disjoint splits.
        device: Where to train.
        calibration: How consistency is judged.

    Raises:
        InputError: timm has no such backbone, or it does not take images of this size, or the
            training split has too few classes for a batch.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: SplitDataset,
        *,
        device: torch.device,
        calibration: Calibration,
    ) -> None:
        self.config = config
        self.epoch = 0
        self._data = data
        self._device = device
        self._calibration = calibration
        self._images = DeviceImages(data.dataset.images, device)
        torch.manual_seed(config.seed)
        self._batch_generator = torch.Generator().manual_seed(config.seed)
        self._augment_generator = torch.Generator(device).manual_seed(config.seed)
        classes, self._labels = torch.unique(data.dataset.labels[data.train], return_inverse=True)
        self._batches = ClassBalancedBatches(
            self._labels,
            batch_size=config.batch_size,
            samples_per_class=config.samples_per_class,
            generator=self._batch_generator,
        )
        self.embedder = Embedder(
            backbone=config.backbone,
            pretrained=config.pretrained,
            embedding_dim=config.embedding_dim,
            channels=data.dataset.images.channels,
            image_size=data.dataset.images.size,
        ).to(device)
        self.loss = build_loss(config, num_classes=len(classes), balanced=True).to(device)
        self._optimizer = _optimizer(self.embedder, self.loss, config)
        self._schedule = _schedule(self._optimizer, config, steps_per_epoch=len(self._batches))

    def advance(self) -> Measurement:
        """Train one epoch, then measure on the validation classes.

        Raises:
            TrialFailed: The loss or the embeddings are not finite, or the embeddings collapsed.
        """
        started = time.perf_counter()
        train_loss = self._train_epoch()
        trained = time.perf_counter()
        metrics = self.score("validation")
        return Measurement(
            epoch=self.epoch,
            seed=self.config.seed,
            split="validation",
            metrics=metrics
            | {
                "train_loss": train_loss,
                "train_seconds": trained - started,
                "score_seconds": time.perf_counter() - trained,
            },
        )

    def score(self, split: EvaluationSplit) -> dict[str, float]:
        """Embed and score the classes of a split.

        Raises:
            TrialFailed: The embeddings are not finite, or collapsed, or a metric is undefined.
        """
        indices = self._data.part(split)
        embeddings = self.embed(indices)
        if not bool(embeddings.isfinite().all()):
            raise TrialFailed(f"embeddings are not finite at epoch {self.epoch}")
        # A norm that overflows ends in a row of zeros, not of NaN.
        if not bool(embeddings.any(dim=1).all()):
            raise TrialFailed(f"embeddings of length zero at epoch {self.epoch}")
        spread = (embeddings - embeddings.mean(0)).square().sum(1).mean()
        if float(spread) < _COLLAPSED:
            raise TrialFailed(f"embeddings collapsed to one point at epoch {self.epoch}")
        labels = self._data.dataset.labels[indices]
        metrics = score_embeddings(embeddings, labels, self._calibration).metrics()
        undefined = [name for name, value in metrics.items() if not math.isfinite(value)]
        if undefined:
            raise TrialFailed(f"{', '.join(undefined)} undefined at epoch {self.epoch}")
        return metrics

    @torch.inference_mode()
    def embed(self, indices: Tensor) -> Tensor:
        """Embed the images of these indices, N x D, without augmentation."""
        self.embedder.eval()
        parts = indices.split(min(_EMBED_BATCH, self.config.micro_batch_size or _EMBED_BATCH))
        return torch.cat([self.embedder(to_floats(self._images.pixels(part))) for part in parts])

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the course depends on."""
        return {
            "config": self.config.model_dump(),
            "epoch": self.epoch,
            "embedder": self.embedder.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "batch_generator": self._batch_generator.get_state(),
            "augment_generator": self._augment_generator.get_state(),
            "torch_generator": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned for the same configuration and data."""
        self.epoch = state["epoch"]
        self.embedder.load_state_dict(state["embedder"])
        self.loss.load_state_dict(state["loss"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._batch_generator.set_state(state["batch_generator"])
        self._augment_generator.set_state(state["augment_generator"])
        torch.set_rng_state(state["torch_generator"])

    def _train_epoch(self) -> float:
        self.embedder.train()
        total = torch.zeros((), device=self._device)
        for batch in self._batches:
            total += self._train_step(batch)
        self.epoch += 1
        mean = float(total) / len(self._batches)
        if not math.isfinite(mean):
            raise TrialFailed(f"the training loss is not finite at epoch {self.epoch}")
        return mean

    def _train_step(self, batch: Tensor) -> Tensor:
        self._optimizer.zero_grad()
        loss = self._backward(batch)
        self._optimizer.step()
        self._schedule.step()
        return loss

    def _backward(self, batch: Tensor) -> Tensor:
        """Return the loss of a batch, and leave its gradients."""
        labels = to_device(self._labels[batch], self._device)
        embed, size = self._training_embedding(batch), self.config.micro_batch_size

        def judge(embeddings: Tensor) -> Tensor:
            loss: Tensor = self.loss(embeddings, labels)
            return loss

        if size is not None and size < len(batch):
            return backward_in_micro_batches(
                self.embedder, embed, judge, batch_size=len(batch), micro_batch_size=size
            )
        loss = judge(embed(slice(0, len(batch))))
        loss.backward()
        return loss.detach()

    def _training_embedding(self, batch: Tensor) -> Callable[[slice], Tensor]:
        """Return what embeds rows of a batch, augmented alike however often they are asked for.

        Between calls a batch is held as bytes.
        """
        pixels = self._images.pixels(self._data.train[batch])
        draws = None
        if self.config.augmentation == "light":
            draws = augmentation_draws(len(batch), generator=self._augment_generator)

        def embed(rows: slice) -> Tensor:
            images, flip = to_floats(pixels[rows]), self.config.horizontal_flip
            if draws is not None:
                images = light_augment(images, draws[:, rows], horizontal_flip=flip)
            embeddings: Tensor = self.embedder(images)
            return embeddings

        return embed


def run_trial(
    config: TrialConfig,
    data: SplitDataset,
    *,
    report: Callable[[Measurement], bool],
    device: torch.device | None = None,
    calibration: Calibration | None = None,
) -> Trial:
    """Train a configuration to its last epoch, reporting each measurement.

    Args:
        config: The hyperparameters.
        data: Images and splits.
        report: Receives each measurement; training stops where it returns False.
        device: Where to train; the CPU if None.
        calibration: How consistency is judged; the defaults if None.

    Raises:
        InputError: As `Trial`.
        TrialFailed: As `Trial.advance`.
    """
    trial = Trial(
        config,
        data,
        device=device or torch.device("cpu"),
        calibration=calibration or Calibration(),
    )
    while trial.epoch < config.epochs and report(trial.advance()):
        pass
    return trial


def _optimizer(
    embedder: Embedder, loss: EmbeddingLoss, config: TrialConfig
) -> torch.optim.Optimizer:
    # timm's grouping keeps biases, norms, and what the trunk names (positions) out of the decay.
    exempt: set[str] = getattr(embedder.trunk, "no_weight_decay", set)()
    groups = timm.optim.param_groups_weight_decay(
        embedder, config.weight_decay, no_weight_decay_list=[f"trunk.{name}" for name in exempt]
    )
    proxies = list(loss.proxy_parameters())
    if proxies:
        rate = config.learning_rate * config.proxy_learning_rate_factor
        groups = [*groups, {"params": proxies, "lr": rate, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def _schedule(
    optimizer: torch.optim.Optimizer, config: TrialConfig, *, steps_per_epoch: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then cosine to zero at the last step."""
    steps = config.epochs * steps_per_epoch
    warmup = min(config.warmup_epochs * steps_per_epoch, steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        share = min(1.0, (step - warmup) / max(1.0, steps - warmup))
        return 0.5 * (1 + math.cos(math.pi * share))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

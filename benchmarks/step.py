"""Where the time of a demo trial goes, and what its training step costs beside a bare one.

``python -m benchmarks.step [--json FILE] [--threads N]`` from the repository root. The settings are
those of ``examples/demo.yaml``. A trial of the demo has one thread and keeps freed memory
(`trainer.keep_freed_memory`), and so do this and the peers.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import timm
import torch
from torch import Tensor, nn

import trainer.engine
import trainer.image_batches
from benchmarks.results import Comparison, arguments, peak_memory, publish, time_each
from objectives import Calibration
from sweeps.spec import load_spec
from trainer import (
    SplitDataset,
    TrainingRun,
    TrialConfig,
    keep_freed_memory,
    load_data,
)
from trainer.device_images import DeviceImages
from trainer.image_batches import ImageBatch
from trainer.inputs import InputBatch

_DEMO: Final = load_spec(Path(__file__).parents[1] / "examples" / "demo.yaml")
_DEVICE: Final = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# A batch that takes most of the training images, in parts as large as the embedding's.
# It is a control, since TCM holds some B x B matrices, whatever goes through the model at once.
_LARGE: Final[dict[str, Any]] = {
    "batch_size": 4000,
    "samples_per_class": 16,
    "loss": "proxy_anchor",
    "weight_positive": 0,
    "weight_negative": 0,
}
_MICRO: Final = 256


class _Clock:
    """Seconds spent in each part; what a part calls counts to that part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running = False

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self._running:
                return work(*args, **kwargs)
            self._running = True
            started = _now()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[part] = self.seconds.get(part, 0.0) + _now() - started
                self._running = False

        return run


class _TimedBatches:
    """The sampler under a clock."""

    def __init__(self, batches: Any, clock: _Clock) -> None:
        self._batches = batches
        self._clock = clock

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Tensor]:
        draw = self._clock.timed("sampler", next)
        drawn = iter(self._batches)
        for _ in range(len(self)):
            yield draw(drawn)


def epoch_parts(trial: TrainingRun, *, epochs: int = 3) -> dict[str, float]:
    """Return the seconds of each part of a trial's quickest epoch, after a warm-up."""
    trial.advance()
    found = [_one_epoch(trial) for _ in range(epochs)]
    return min(found, key=lambda parts: parts["epoch"])


def _one_epoch(trial: TrainingRun) -> dict[str, float]:
    clock = _Clock()
    with ExitStack() as stack:
        for owner, name, part in (
            (DeviceImages, "fetch", "pixels: gather and copy"),
            (ImageBatch, "_squares", "pixels: to floats"),
            (trainer.image_batches, "augmentation_draws", "augmentation"),
            (trainer.image_batches, "light_augment", "augmentation"),
            (trial.embedder, "forward", "forward"),
            (trial.loss, "forward", "loss"),
            (Tensor, "backward", "backward"),
            (trial._optimizer, "zero_grad", "optimizer"),
            (trial._optimizer, "step", "optimizer"),
            (trial._schedule, "step", "optimizer"),
            (trial, "embed", "embedding of validation"),
            (trainer.engine, "score_embeddings", "scoring of validation"),
        ):
            stack.enter_context(patch.object(owner, name, clock.timed(part, getattr(owner, name))))
        stack.enter_context(patch.object(trial, "_batches", _TimedBatches(trial._batches, clock)))
        started = _now()
        trial.advance()
        whole = _now() - started
    parts = clock.seconds
    return parts | {"all else": whole - sum(parts.values()), "epoch": whole}


def shares(data: SplitDataset) -> list[Comparison]:
    """Return each part of an epoch beside the whole."""
    found = []
    for batch_size in _DEMO.search_space().values("batch_size"):
        parts = epoch_parts(_trial(data, batch_size=batch_size))
        whole = parts.pop("epoch")
        name = f"one epoch and its score, B = {batch_size}"
        found += [
            Comparison(work=part, ours=seconds, peer=name, theirs=whole)
            for part, seconds in parts.items()
        ]
    return found


def overheads(data: SplitDataset) -> list[Comparison]:
    """Return our training step beside forward and backward passes of the bare model."""
    found = []
    for batch_size in _DEMO.search_space().values("batch_size"):
        trial = _trial(data, batch_size=batch_size)
        trial.embedder.train()
        batch, labels = _first_batch(trial)
        images = batch.inputs()
        plain = _plain_model(trial.config, data).to(_DEVICE)
        works: dict[str, Callable[[], object]] = {
            "ours": partial(trial._train_step, batch, labels),
            "forward and backward of the model alone": _bare(trial.embedder, images),
            "the same of timm's model as it comes": _bare(plain, images),
        }
        seconds = time_each(works, rounds=20)
        ours = seconds.pop("ours")
        found += [
            Comparison(work=f"training step, B = {batch_size}", ours=ours, peer=peer, theirs=theirs)
            for peer, theirs in seconds.items()
        ]
    return found


def micro_batches(data: SplitDataset) -> list[Comparison]:
    """Return a step of a large batch in micro-batches beside the same step at once."""
    works = {}
    for size in (_MICRO, None):
        trial = _trial(data, **_LARGE, micro_batch_size=size)
        trial.embedder.train()
        works[str(size)] = partial(trial._train_step, *_first_batch(trial))
    seconds = time_each(works, rounds=5)
    # The memory that a process once took stays its own: each figure wants a fresh one.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        peaks = list(pool.map(_peak_of_a_step, (_MICRO, None)))
    work = f"training step, B = {_LARGE['batch_size']}, micro_batch_size = {_MICRO}"
    ours, theirs = seconds.values()
    return [
        Comparison(work=work, ours=ours, peer="the whole batch at once", theirs=theirs),
        Comparison(
            work=f"{work}: peak memory",
            ours=peaks[0],
            peer="the whole batch at once",
            theirs=peaks[1],
            unit="MiB",
        ),
    ]


def _trial(data: SplitDataset, **changes: Any) -> TrainingRun:
    fixed = _DEMO.trial | {"loss": "smooth_ap", "epochs": 1000} | changes
    config = TrialConfig.model_validate(fixed)
    return TrainingRun(config, data, device=_DEVICE, calibration=Calibration())


def _first_batch(trial: TrainingRun) -> tuple[InputBatch, Tensor]:
    """Return the first batch of an epoch, as it is trained on, and its labels."""
    return next(trial._labelled([next(iter(trial._batches))]))


def _plain_model(config: TrialConfig, data: SplitDataset) -> nn.Module:
    model: nn.Module = timm.create_model(
        config.backbone,
        num_classes=config.embedding_dim,
        in_chans=data.dataset.images.channels,
    )
    return model.train()


def _bare(model: nn.Module, images: Tensor) -> Callable[[], None]:
    def work() -> None:
        model.zero_grad()
        model(images).square().sum().backward()

    return work


def _peak_of_a_step(micro_batch_size: int | None) -> float:
    """Return by how many MiB a step's largest memory exceeds that before it."""
    torch.set_num_threads(1)
    keep_freed_memory()
    trial = _trial(load_data(_DEMO.data), **_LARGE, micro_batch_size=micro_batch_size)
    trial.embedder.train()
    batch, labels = _first_batch(trial)
    return peak_memory(lambda: trial._train_step(batch, labels), _DEVICE)


def _now() -> float:
    if _DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Run the benchmark."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.set_defaults(threads=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    data = load_data(_DEMO.data)
    rows = [*shares(data), *overheads(data), *micro_batches(data)]
    publish("The step of a demo trial", rows, file=options.json)


if __name__ == "__main__":
    main()

"""Training on a GPU beside a bare timm loop, trials that share a GPU, and scoring at full size.

``python -m benchmarks.gpu [--json FILE]`` on a machine with a CUDA device.

Steps are of ResNet-50 and ViT-B/16 at 224 pixels, batch 384, in bfloat16, channels last. Ours is a
whole step of a trial: bytes of 256 x 256 pixels that lie on the device, views (`augmentation`),
loss with TCM, AdamW. The bare loop has one batch of ready floats on the device, a classifier's
loss and the same AdamW. Trials that share a GPU run in processes of their own, under MPS where its
daemon runs, each bounded to its share of the memory.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import timm
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import scoring
from benchmarks.results import Comparison, arguments, publish, time_each
from objectives import Calibration
from trainer import SplitDataset, TrainingRun, TrialConfig, bound_memory
from trainer.data import Dataset, TensorImages

_SHARING: Final = 4


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Sizes of a training step.

    Attributes:
        backbone: timm's name of the trunk.
        batch_size: Images of a step.
        size: Their side, as the model sees them, in pixels.
        stored: Their side on the device.
        classes: Of the training split; each has ``images`` images.
        images: Of each class.
        device: Where it is trained.
        rounds: Steps that are timed.
    """

    backbone: str
    batch_size: int = 384
    size: int = 224
    stored: int = 256
    classes: int = 128
    images: int = 32
    device: str = "cuda"
    rounds: int = 20

    def __str__(self) -> str:
        return f"{self.backbone}, {self.size} px, B = {self.batch_size}"

    def data(self) -> SplitDataset:
        """Make images of noise."""
        count = self.classes * self.images
        labels = torch.arange(self.classes).repeat_interleave(self.images)
        shape = (count, 3, self.stored, self.stored)
        generator = torch.Generator().manual_seed(0)
        dataset = Dataset(
            name="noise",
            items=tuple(map(str, range(count))),
            labels=labels,
            class_names=tuple(map(str, range(self.classes))),
            images=TensorImages(
                pixels=torch.randint(256, shape, dtype=torch.uint8, generator=generator)
            ),
            image_size=self.size,
            crop_share=self.size / self.stored,
        )
        everything = torch.arange(count)
        return SplitDataset(
            dataset=dataset,
            train=everything,
            validation=everything,
            test=everything,
            fingerprint="",
        )

    def trial(self, data: SplitDataset, **changes: Any) -> TrainingRun:
        """Begin a trial with the default loss and TCM."""
        fields = {"backbone": self.backbone, "batch_size": self.batch_size, "embedding_dim": 512}
        config = TrialConfig.model_validate(fields | {"epochs": 1000} | changes)
        device = torch.device(self.device)
        return TrainingRun(config, data, device=device, calibration=Calibration())


def steps(work: _Work) -> list[Comparison]:
    """Return our step, with and without random crops, beside the bare loop's."""
    data = work.data()
    works: dict[str, Callable[[], object]] = {
        augmentation: _step(work.trial(data, augmentation=augmentation, horizontal_flip=True))
        for augmentation in ("none", "standard")
    }
    works["bare"] = _bare_step(work)
    seconds = time_each(works, rounds=work.rounds)
    theirs = seconds.pop("bare")
    return [
        Comparison(
            work=f"step: {work}, augmentation {augmentation} ({_rate(work, ours)})",
            ours=ours,
            peer=f"bare timm loop ({_rate(work, theirs)})",
            theirs=theirs,
            bar=1 / 0.95,
        )
        for augmentation, ours in seconds.items()
    ]


def _step(trial: TrainingRun) -> Callable[[], object]:
    trial.embedder.train()
    batches = _endless(trial)
    return lambda: trial._train_step(*next(batches))


def _endless(trial: TrainingRun) -> Iterator[Any]:
    while True:
        yield from trial._labelled(list(trial._batches))


def _bare_step(work: _Work) -> Callable[[], object]:
    """Return a step as timm's users write one, on images that are ready."""
    device = torch.device(work.device)
    model = timm.create_model(work.backbone, num_classes=512).train()
    model = model.to(device, memory_format=torch.channels_last)
    images = torch.randn(work.batch_size, 3, work.size, work.size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(512, (work.batch_size,), device=device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    half = device.type == "cuda"

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            scores: Tensor = model(images)
        functional.cross_entropy(scores.float(), labels).backward()
        optimizer.step()

    return step


def _rate(work: _Work, seconds: float) -> str:
    return f"{work.batch_size / seconds:,.0f} images/s".replace(",", " ")


def sharing(work: _Work, count: int = _SHARING) -> list[Comparison]:
    """Return the time that an image takes where trials share the device, beside one alone."""
    alone, together = (_images_per_second(work, number) for number in (1, count))
    return [
        Comparison(
            work=f"{count} trials on a device: {work}, 1 000 images ({together:.0f} images/s)",
            ours=1000 / together,
            peer=f"one trial ({alone:.0f} images/s)",
            theirs=1000 / alone,
        )
    ]


def _images_per_second(work: _Work, count: int) -> float:
    """Return the rate of all trials together, in a process each."""
    context = get_context("spawn")
    with context.Manager() as manager, context.Pool(count) as pool:
        train = partial(_train, work, count, manager.Barrier(count))
        return sum(pool.map(train, range(count), chunksize=1))


def _train(work: _Work, count: int, all_ready: Any, _number: int) -> float:
    """Return the images that this trial trains on in a second."""
    device = torch.device(work.device)
    torch.set_num_threads(1)
    bound_memory(device, 1 / count)
    step = _step(work.trial(work.data(), augmentation="standard"))
    for _ in range(3):
        step()
    all_ready.wait()
    started = time.perf_counter()
    for _ in range(work.rounds):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return work.rounds * work.batch_size / (time.perf_counter() - started)


def main() -> None:
    """Run the benchmark."""
    chosen = arguments(str(__doc__).splitlines()[0]).parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks.gpu needs a CUDA device, and this machine has none")
    torch.set_num_threads(chosen.threads)
    rows = []
    for backbone in ("resnet50", "vit_base_patch16_224"):
        rows += steps(_Work(backbone=backbone))
        torch.cuda.empty_cache()
    rows += sharing(_Work(backbone="resnet50", batch_size=96, rounds=60))
    rows += sharing(_Work(backbone="resnet18", batch_size=96, size=64, stored=72, rounds=200))
    rows += scoring.compare(scoring._SETS["inat"])
    publish("Training and scoring on a GPU", rows, file=chosen.json)


if __name__ == "__main__":
    main()

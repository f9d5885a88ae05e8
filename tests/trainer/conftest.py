import pytest
import torch

from objectives import Calibration
from trainer import SplitDataset, TrainingRun, TrialConfig
from trainer.data import Dataset, TensorImages

from .factories import MakeConfig, MakeData, MakeRun

# The training classes are not the first, so that places in the whole and in the part differ.
VALIDATION, TEST, TRAIN = range(6), range(6, 12), range(12, 20)
PER_CLASS = 8


def prototypes(
    size: int = 8, channels: int = 1, noise: float = 40.0, per_class: int = PER_CLASS
) -> SplitDataset:
    """Noisy copies of one random image per class: 8 train, 6 validation and 6 test classes."""
    generator = torch.Generator().manual_seed(7)
    shape = (len(TRAIN) + len(VALIDATION) + len(TEST), channels, size, size)
    labels = torch.arange(shape[0]).repeat_interleave(per_class)
    images = torch.rand(shape, generator=generator)[labels] * 255
    images += noise * torch.randn(images.shape, generator=generator)
    dataset = Dataset(
        name="prototypes",
        items=tuple(f"{number}.png" for number in range(len(labels))),
        labels=labels,
        class_names=tuple(f"c{number}" for number in range(shape[0])),
        images=TensorImages(pixels=images.clamp(0, 255).to(torch.uint8)),
        image_size=size,
        crop_share=1.0,
    )
    train, validation, test = (
        ((labels >= part.start) & (labels < part.stop)).nonzero()[:, 0]
        for part in (TRAIN, VALIDATION, TEST)
    )
    return SplitDataset(
        dataset=dataset, train=train, validation=validation, test=test, fingerprint="0" * 64
    )


@pytest.fixture(scope="session")
def make_data() -> MakeData:
    return prototypes


@pytest.fixture(scope="session")
def data() -> SplitDataset:
    return prototypes()


@pytest.fixture(scope="session")
def make_config() -> MakeConfig:
    def make(**changes: object) -> TrialConfig:
        small = {"batch_size": 16, "samples_per_class": 4, "embedding_dim": 16, "epochs": 2}
        return TrialConfig.model_validate(small | {"augmentation": "none"} | changes)

    return make


@pytest.fixture(scope="session")
def make_trial(data: SplitDataset) -> MakeRun:
    def make(config: TrialConfig, on: SplitDataset = data) -> TrainingRun:
        return TrainingRun(config, on, device=torch.device("cpu"), calibration=Calibration())

    return make

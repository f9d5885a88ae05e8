"""Types of the fixtures that make data, configurations and training runs."""

from typing import Protocol

from trainer import SplitDataset, TrainingRun, TrialConfig


class MakeData(Protocol):
    def __call__(
        self, size: int = 8, channels: int = 1, noise: float = 40.0, per_class: int = 8
    ) -> SplitDataset: ...


class MakeConfig(Protocol):
    def __call__(self, **changes: object) -> TrialConfig: ...


class MakeRun(Protocol):
    def __call__(self, config: TrialConfig, on: SplitDataset = ...) -> TrainingRun: ...

import dataclasses
from pathlib import Path

import pytest
import torch

from trainer import SplitDataset
from trainer.data import Dataset, TensorImages

# Class by class; 5 has one image, and is of validation.
CLASSES = {"train": {0, 3}, "validation": {1, 5}, "test": {2, 4}}
LABELS = (4, 3, 1, 0, 2, 1, 5, 0, 3, 2, 4, 1)


def places(*classes: int) -> list[int]:
    return [place for place, label in enumerate(LABELS) if label in classes]


@pytest.fixture
def data() -> SplitDataset:
    dataset = Dataset(
        name="toy",
        items=tuple(f"{number}.png" for number in range(len(LABELS))),
        labels=torch.tensor(LABELS),
        class_names=tuple("abcdef"),
        images=TensorImages(pixels=torch.zeros(len(LABELS), 1, 8, 8, dtype=torch.uint8)),
        image_size=8,
    )
    parts = {name: torch.tensor(places(*classes)) for name, classes in CLASSES.items()}
    queries = torch.zeros(len(LABELS), dtype=torch.bool)
    queries[parts["test"][0]] = True
    return SplitDataset(
        dataset=dataset, fingerprint="f", queries=queries, cache=Path("there"), **parts
    )


def test_validation_classes_are_trained_on_to_confirm(data: SplitDataset) -> None:
    merged = data.for_confirmation()
    # Neither the class of one image, nor one of test.
    assert merged.train.tolist() == places(0, 3, 1)
    assert merged.train.dtype == merged.validation.dtype == torch.int64
    assert merged.validation.tolist() == []
    assert (merged.class_count("train"), merged.class_count("validation")) == (3, 0)
    for field in ("dataset", "test", "fingerprint", "queries", "cache"):
        assert getattr(merged, field) is getattr(data, field)
    assert data.validation.tolist() == places(1, 5)


def test_nothing_is_merged_twice(data: SplitDataset) -> None:
    once = data.for_confirmation()
    twice = once.for_confirmation()
    assert torch.equal(twice.train, once.train)
    assert twice.validation.tolist() == []


def test_a_split_that_there_is_not(data: SplitDataset) -> None:
    with pytest.raises(ValueError, match="'half' is not one of train, validation, test"):
        data.indices("half")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": ("a.png",)}, "must be equally many"),
        ({"items": ("a.png",) * len(LABELS)}, "items must be unique"),
    ],
)
def test_a_data_set_that_contradicts_itself(
    change: dict[str, tuple[str, ...]], message: str, data: SplitDataset
) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(data.dataset, **change)  # type: ignore[arg-type]

from pathlib import Path
from typing import Any

import pytest

from objectives import InputError
from sweeps.spec import Cache, SweepSpec


def check(trial: dict[str, Any], space: dict[str, Any]) -> None:
    """What is done before a sweep starts."""
    spec = SweepSpec.model_validate(
        {
            "name": "a",
            "data": {"name": "digits", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}},
            "trial": {"batch_size": 16} | trial,
            "space": {"margin_positive": {"low": 0.6, "high": 0.9}} | space,
            "budget": {"trials": 1},
        }
    )
    spec.kind.check(spec.search_space(), spec.kind.open_data(spec.data, Cache(folder=Path("none"))))


@pytest.mark.parametrize(
    ("trial", "space", "said"),
    [
        (
            {"pooling": "gem", "backbone": "test_vit"},
            {},
            "backbone: 'test_vit' does not take images of 8 x 8 pixels ",
        ),
        (
            {"freeze_patch_embedding": True},
            {},
            "freeze_patch_embedding: 'test_resnet' has no patch embedding to freeze",
        ),
        ({"weights": "/no.pt"}, {}, "/no.pt: weights: there is no such file or folder"),
        ({}, {"weights": ["/a.pt", "/b.pt"]}, "/a.pt: weights: there is no such file or folder"),
    ],
)
def test_a_model_that_cannot_be_made(
    trial: dict[str, Any], space: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as raised:
        check(trial, space)
    assert str(raised.value).startswith(said)


def test_a_condition_keeps_them_apart() -> None:
    space = {
        "backbone": ["test_resnet", "test_efficientnet"],
        "pooling": {"choices": ["gem", "avg_max"], "when": {"backbone": "test_resnet"}},
    }
    check({}, space)

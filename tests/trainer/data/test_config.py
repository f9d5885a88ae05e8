from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from trainer.data import DataConfig, SplitConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "exactly one of name, folder and table must be set, not none"),
        ({"name": "glyphs", "folder": "x"}, "not name and folder"),
        ({"folder": "x", "table": "y.csv"}, "not folder and table"),
        ({"name": "mnist"}, "'glyphs' or 'digits'"),
        ({"folder": "x", "label_column": "class"}, "path_column and label_column need a table"),
        ({"table": "x", "label_column": "path"}, "are both 'path'"),
        ({"folder": "x", "image_size": 4}, "image_size"),
        ({"name": "digits", "sise": 4}, "sise"),
    ],
)
def test_bad_data_config(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": 0.6}, r"train \+ validation \+ test must be 1, not 1\.1"),
        ({"train": 0.75, "test": 0.0}, "test"),
        ({"seed": -1}, "seed"),
        ({"val": 0.2}, "val"),
    ],
)
def test_bad_split_config(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SplitConfig(**values)


def test_sizes_and_round_trip() -> None:
    assert DataConfig(name="glyphs").size == 32
    assert DataConfig(name="digits").size == 8
    assert DataConfig(folder=Path("x")).size == 64
    config = DataConfig(table=Path("x.csv"), image_size=96, label_column="class")
    assert config.size == 96
    assert DataConfig.model_validate(config.model_dump(mode="json")) == config

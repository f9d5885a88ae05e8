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
        ({"name": "mnist"}, "'glyphs', 'digits', 'cub', 'cars', 'sop', 'inaturalist' or 'in_shop'"),
        ({"folder": "x", "label_column": "class"}, "path_column and label_column need a table"),
        ({"table": "x", "label_column": "path"}, "are both 'path'"),
        ({"folder": "x", "image_size": 4}, "image_size"),
        ({"name": "digits", "sise": 4}, "sise"),
        ({"name": "cub"}, "cub needs root, the folder that it was unpacked to"),
        ({"name": "digits", "root": "x"}, "root needs an official data set as name: cub, cars"),
        ({"folder": "x", "root": "x"}, "root needs an official data set as name"),
        ({"table": "x", "validation_share": 0.2}, "validation_share needs an official data set"),
        ({"name": "cub", "root": "x", "validation_share": 1.0}, "validation_share"),
        ({"folder": "x", "split_column": "part"}, "split_column needs a table"),
        ({"table": "x", "split_column": "label"}, "label_column and split_column are both 'label'"),
        ({"table": "x", "split_column": ""}, "split_column"),
        ({"name": "digits", "min_images_per_class": 2}, "needs a folder or a table, not digits"),
        ({"folder": "x", "min_images_per_class": 0}, "min_images_per_class"),
        (
            {"name": "sop", "root": "x", "split": {"train": 0.5}},
            r"split\.train has no use where sop has official halves",
        ),
        (
            {"table": "x", "split_column": "part", "split": {"test": 0.25}},
            r"split\.test has no use where split_column is set",
        ),
        (
            {"table": "x", "split_column": "part", "split": {"seed": 1}},
            r"split\.seed has no use where split_column is set",
        ),
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
    assert DataConfig(name="cub", root=Path("x")).size == 224


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 256),
        ({"crop_share": 1.0}, 256),
        ({"crop_share": 0.5}, 448),  # as many pixels as evaluation enlarges to the square
        ({"crop_share": 0.001}, 4096),
        ({"crop_share": 0.5, "stored_size": 300}, 300),
    ],
)
def test_short_side_in_the_cache(values: dict[str, Any], expected: int) -> None:
    assert DataConfig(folder=Path("x"), image_size=224, **values).short_side == expected


@pytest.mark.parametrize(
    "values",
    [
        {"name": "glyphs", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}},
        {"folder": "x", "min_images_per_class": 3},
        {"table": "x.csv", "label_column": "class", "split_column": "part"},
        {"name": "in_shop", "root": "x", "validation_share": 0.1, "split": {"seed": 3}},
    ],
)
def test_what_is_written_is_read_again(values: dict[str, Any]) -> None:
    config = DataConfig.model_validate(values)
    assert DataConfig.model_validate(config.model_dump(mode="json")) == config
    assert DataConfig.model_validate_json(config.model_dump_json()) == config

"""The configuration of a data set, and of the split of its classes."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from trainer.strict_model import StrictModel

__all__ = ["NATIVE_SIZES", "DataConfig", "SplitConfig"]

# The side in pixels of an image where ``image_size`` is not set.
NATIVE_SIZES: Final = {"glyphs": 32, "digits": 8, "files": 64}

_Share = Annotated[float, Field(gt=0, lt=1)]
_Column = Annotated[str, Field(min_length=1)]


class SplitConfig(StrictModel):
    """The shares of the classes (not of the images) that each part gets.

    Raises:
        pydantic.ValidationError: A share is not within (0, 1), or they do not add up to 1.
    """

    train: _Share = Field(0.5, description="share of the *classes* to train on")
    validation: _Share = Field(0.25, description="share of the classes that a sweep is scored on")
    test: _Share = Field(0.25, description="share of the classes that a sweep leaves alone")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of the split")

    @model_validator(mode="after")
    def _whole(self) -> "SplitConfig":
        total = self.train + self.validation + self.test
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class DataConfig(StrictModel):
    """One data set: exactly one of ``name``, ``folder`` and ``table``.

    Raises:
        pydantic.ValidationError: None or several of the three are set, a column is named without a
            table, or a value is out of its range.
    """

    name: Literal["glyphs", "digits"] | None = Field(
        None,
        description="`glyphs` (608 classes, 9 369 images) or `digits` (10 classes, 1 797 images), "
        "made on the spot",
    )
    folder: Path | None = Field(
        None,
        description="a folder of class folders; whatever image lies below a class folder is of "
        "that class",
    )
    table: Path | None = Field(
        None,
        description="a `.csv` or `.parquet` file with a row for each image; relative image paths "
        "start at its folder",
    )
    path_column: _Column = Field("path", description="the table's column of image paths")
    label_column: _Column = Field("label", description="the table's column of class names")
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = Field(
        None,
        description="side of the square images in pixels; files are resized on the short side, "
        "then cropped to the centre. `null`: 64 for files, 32 for `glyphs`, 8 for `digits`",
    )
    split: SplitConfig = Field(
        SplitConfig(),
        description="shares of the classes; each part needs two classes with two images",
    )

    @model_validator(mode="after")
    def _one_source(self) -> "DataConfig":
        sources = [key for key in ("name", "folder", "table") if getattr(self, key) is not None]
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise ValueError(f"exactly one of name, folder and table must be set, not {found}")
        if self.table is None and (self.path_column, self.label_column) != ("path", "label"):
            raise ValueError("path_column and label_column need a table")
        if self.path_column == self.label_column:
            raise ValueError(f"path_column and label_column are both {self.path_column!r}")
        return self

    @property
    def size(self) -> int:
        """Side of the square images in pixels, the default filled in."""
        return self.image_size or NATIVE_SIZES[self.name or "files"]

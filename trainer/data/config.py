"""Which data set a sweep trains on, and how its classes are split."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["NATIVE_SIZES", "DataConfig", "SplitConfig"]

# The side in pixels of an image where ``image_size`` is not set.
NATIVE_SIZES: Final = {"glyphs": 32, "digits": 8, "files": 64}

_Share = Annotated[float, Field(gt=0, lt=1)]


class SplitConfig(BaseModel):
    """The shares of the classes (not of the images) that each part gets.

    Raises:
        pydantic.ValidationError: A share is not within (0, 1), or they do not add up to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: _Share = 0.5
    validation: _Share = 0.25
    test: _Share = 0.25
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _whole(self) -> "SplitConfig":
        total = self.train + self.validation + self.test
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class DataConfig(BaseModel):
    """One data set: exactly one of ``name``, ``folder`` and ``table``.

    Attributes:
        name: An embedded data set.
        folder: A folder of class folders; whatever lies below a class folder is of that class.
        table: A CSV or Parquet table with one row per image.
        path_column: The table's column of image paths; relative ones start at the table's folder.
        label_column: The table's column of class names.
        image_size: Side of the square images in pixels. Files are resized on their short side and
            centre-cropped to it. By default 64 for files, 32 for glyphs, 8 for digits.
        split: How the classes are split.

    Raises:
        pydantic.ValidationError: None or several of the three are set, a column is named without a
            table, or a value is out of its range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["glyphs", "digits"] | None = None
    folder: Path | None = None
    table: Path | None = None
    path_column: Annotated[str, Field(min_length=1)] = "path"
    label_column: Annotated[str, Field(min_length=1)] = "label"
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = None
    split: SplitConfig = SplitConfig()

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

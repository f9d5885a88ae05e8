"""The configuration of a data set, and of the split of its classes."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, field_serializer, model_validator

from trainer.strict_model import NonNegative, StrictModel

__all__ = [
    "NATIVE_SIZES",
    "OFFICIAL_NAMES",
    "VALIDATION_SHARE",
    "DataConfig",
    "OfficialName",
    "SplitConfig",
]

OfficialName = Literal["cub", "cars", "sop", "inaturalist", "in_shop"]
OFFICIAL_NAMES: Final[tuple[OfficialName, ...]] = get_args(OfficialName)
# Of the classes of an official train half, where ``validation_share`` is not set. On CUB and Cars
# these are 25 classes to score, and three quarters are left to train on.
VALIDATION_SHARE: Final = 0.25
# The side in pixels of an image where ``image_size`` is not set.
NATIVE_SIZES: Final = {"glyphs": 32, "digits": 8, "files": 64} | dict.fromkeys(OFFICIAL_NAMES, 224)

# The share of the short side that most models are evaluated on.
_USUAL_CROP: Final = 0.875
# The most that the short side of a stored image may be, in pixels.
_LARGEST: Final = 4096

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
        pydantic.ValidationError: None or several of the three are set, a field is set that the
            data set has no use for, or a value is out of its range.
    """

    name: Literal["glyphs", "digits", OfficialName] | None = Field(
        None,
        description="`glyphs` (608 classes, 9 369 images) or `digits` (10 classes, 1 797 images), "
        "made on the spot; or an official data set below `root`: `cub`, `cars`, `sop`, "
        "`inaturalist` or `in_shop` ([below](#official-data-sets))",
    )
    root: Path | None = Field(
        None,
        description="the folder of an official data set, as its authors' archives unpack; or the "
        "folder that a table's image paths start at, and stay below. `null`: the table's",
    )
    folder: Path | None = Field(
        None,
        description="a folder of class folders; whatever image lies below a class folder is of "
        "that class",
    )
    table: Path | None = Field(
        None,
        description="a `.csv` or `.parquet` file with a row for each image. Image paths start at "
        "its folder, or at `root`, and one that leads out of it is refused; a link may",
    )
    path_column: _Column = Field("path", description="the table's column of image paths")
    label_column: _Column = Field("label", description="the table's column of class names")
    split_column: _Column | None = Field(
        None,
        description="the table's column of `train`, `validation` and `test`, all images of a class "
        "alike. `null`: classes are dealt by `split`",
    )
    min_images_per_class: Annotated[int, Field(ge=1)] = Field(
        1,
        description="classes of a folder or table with fewer images are left out wholly. Whatever "
        "it is, classes of one image are not trained on",
    )
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = Field(
        None,
        description="side in pixels of the square that a model sees. `null`: 64 for files, 224 for "
        "official data sets, 32 for `glyphs`, 8 for `digits`",
    )
    crop_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="share of an image file's short side that evaluation sees, the centre; 1 where "
        "objects reach the edges. `null`: what the backbone was made for, timm's `crop_pct`",
    )
    stored_size: Annotated[int, Field(ge=8, le=_LARGEST)] | None = Field(
        None,
        description="short side in pixels to which image files are reduced in the cache, whole. "
        "`null`: `image_size` / 0.875, which is 256 for 224; more where `crop_share` is less",
    )
    raw_limit_gb: NonNegative = Field(
        40.0,
        description="gigabytes of decoded pixels beyond which the cache holds JPEGs, an eighth "
        "of the size, that are decoded whenever they are seen",
    )
    validation_share: _Share | None = Field(
        None,
        description="share of the classes of an official train half that a sweep is scored on, "
        f"dealt by `split.seed`. `null`: {VALIDATION_SHARE:g}, as each of the four folds of "
        "Musgrave et al., ECCV 2020",
    )
    split: SplitConfig = Field(
        SplitConfig(),
        description="shares of the classes; each part needs two classes with two images. Official "
        "halves and a `split_column` take the place of the shares",
    )

    @model_validator(mode="after")
    def _one_source(self) -> "DataConfig":
        sources = [key for key in ("name", "folder", "table") if getattr(self, key) is not None]
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise ValueError(f"exactly one of name, folder and table must be set, not {found}")
        return self

    @model_validator(mode="after")
    def _columns_of_a_table(self) -> "DataConfig":
        columns = {"path_column": self.path_column, "label_column": self.label_column}
        if self.table is None and tuple(columns.values()) != ("path", "label"):
            raise ValueError("path_column and label_column need a table")
        if self.split_column is not None:
            if self.table is None:
                raise ValueError("split_column needs a table")
            columns["split_column"] = self.split_column
        first: dict[str, str] = {}
        for key, column in columns.items():
            if first.setdefault(column, key) != key:
                raise ValueError(f"{first[column]} and {key} are both {column!r}")
        return self

    @model_validator(mode="after")
    def _of_an_official_set(self) -> "DataConfig":
        if self.official and self.root is None:
            raise ValueError(f"{self.name} needs root, the folder that it was unpacked to")
        for key in ("root", "validation_share"):
            used = self.official or (key == "root" and self.table is not None)
            if not used and getattr(self, key) is not None:
                names = ", ".join(OFFICIAL_NAMES) + (", or a table" if key == "root" else "")
                raise ValueError(f"{key} needs an official data set as name: {names}")
        for key in ("crop_share", "stored_size"):
            if self.source is None and getattr(self, key) is not None:
                raise ValueError(f"{key} is for image files, which {self.name} has none of")
        if self.name is not None and self.min_images_per_class > 1:
            raise ValueError(f"min_images_per_class needs a folder or a table, not {self.name}")
        return self

    @model_validator(mode="after")
    def _no_shares_beside_fixed_parts(self) -> "DataConfig":
        idle = [key for key in SplitConfig.model_fields if key not in self._used_of_split]
        unused = [key for key in idle if key in self.split.model_fields_set]
        if unused:
            fixed = f"{self.name} has official halves" if self.official else "split_column is set"
            raise ValueError(f"split.{unused[0]} has no use where {fixed}")
        return self

    @field_serializer("split")
    def _without_idle_shares(self, split: SplitConfig) -> dict[str, Any]:
        # Else what was written would be refused when it is read again.
        return split.model_dump(include=self._used_of_split)

    @property
    def official(self) -> bool:
        """Whether it is one of `OFFICIAL_NAMES`."""
        return self.name in OFFICIAL_NAMES

    @property
    def source(self) -> Path | None:
        """The folder or table that the images are read from, None where they are made."""
        return self.folder or self.table or self.root

    @property
    def size(self) -> int:
        """Side of the square images in pixels, the default filled in."""
        return self.image_size or NATIVE_SIZES[self.name or "files"]

    @property
    def short_side(self) -> int:
        """The short side in pixels of images in the cache, the default filled in."""
        # A smaller crop is enlarged to the square: from fewer pixels it would be blurred.
        share = min(self.crop_share or _USUAL_CROP, _USUAL_CROP)
        return self.stored_size or min(_LARGEST, round(self.size / share))

    @property
    def _used_of_split(self) -> set[str]:
        if self.split_column is not None:
            return set()
        return {"seed"} if self.official else set(SplitConfig.model_fields)

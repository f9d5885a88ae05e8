"""Names of the splits: the three parts that the classes of a data set are dealt to."""

from typing import Final, Literal, get_args

__all__ = ["SPLITS", "Split"]

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

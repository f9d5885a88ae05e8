"""Official data sets of retrieval, read from the files that their authors distribute."""

from trainer.data.official.reading import list_official
from trainer.data.official.sets import OFFICIAL_SETS

__all__ = ["OFFICIAL_SETS", "list_official"]

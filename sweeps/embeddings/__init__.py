"""Reading embeddings that some other program wrote."""

from sweeps.embeddings.labelled import Embeddings
from sweeps.embeddings.reading import SUFFIXES, read_embeddings

__all__ = ["SUFFIXES", "Embeddings", "read_embeddings"]

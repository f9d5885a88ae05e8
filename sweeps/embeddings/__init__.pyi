from .labelled import Embeddings
from .reading import read_embeddings
from .score_file import device_of, per_class_csv, score_read
from .utility_curves import utility_plot

__all__ = [
    "Embeddings",
    "device_of",
    "per_class_csv",
    "read_embeddings",
    "score_read",
    "utility_plot",
]

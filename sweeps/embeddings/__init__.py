"""Embeddings that some other program wrote: readers, scores, and the picture of a score."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

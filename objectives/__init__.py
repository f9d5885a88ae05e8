"""Worth of a set of embeddings, and of a set of trials.

Names are imported when they are first asked for: fronts and objectives need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

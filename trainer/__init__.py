"""One trial: data, model, losses, training and measuring."""

import lazy_loader as lazy

# Names are imported when they are first asked for: a reader of configurations waits for no torch.
__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

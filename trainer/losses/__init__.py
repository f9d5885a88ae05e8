"""The base losses, the table of them, and the TCM loss that is added to one."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

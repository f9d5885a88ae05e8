"""Results: ranked trials and fronts, their files and pictures, and the tuned margins of one."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

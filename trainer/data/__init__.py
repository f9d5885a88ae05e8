"""Labelled images, and splits of their classes into train, validation and test."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

"""Execution: sweeps carried out by Ray Tune, and recorded as they go.

Names are imported when they are first asked for, so that an actor, which needs none of them, loads
no Optuna and no SQLAlchemy.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

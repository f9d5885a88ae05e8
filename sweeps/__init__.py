"""Many trials: the search, its record, its mirror and what it exports.

What the command line does, in the same words::

    from sweeps import export_margins, load_spec, open_store, ranked_trials, run_sweep
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

"""Provenance of a sweep: the data, and the versions of what it was made with."""

import platform
from importlib.metadata import version
from typing import Any, Final

from sweeps.spec import Data

__all__ = ["provenance_of"]

_LIBRARIES: Final = (
    "tcm-sweeps",
    "torch",
    "timm",
    "pytorch-metric-learning",
    "ray",
    "optuna",
    "mlflow",
    "sqlalchemy",
    "numpy",
)


def provenance_of(data: Data) -> dict[str, Any]:
    """Return what the store keeps of the data and of this machine, as plain JSON data."""
    return {
        "data": dict(data.facts),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in _LIBRARIES},
    }

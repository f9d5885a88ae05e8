"""Provenance of a sweep: the data, and the versions of what it was made with."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from sweeps.spec import Data, MemoryDemand

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


def provenance_of(data: Data, demand: MemoryDemand | None = None) -> dict[str, Any]:
    """Return what the store keeps of the data and of this machine, as plain JSON data.

    Args:
        data: The data.
        demand: What a probe found that a trial takes of a GPU; None where there was no probe.
    """
    foreseen = {} if demand is None else {"gpu_memory": {**asdict(demand), "gpu": demand.gpu}}
    return {
        **foreseen,
        "data": dict(data.facts),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in _LIBRARIES},
    }

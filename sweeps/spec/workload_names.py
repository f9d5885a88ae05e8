"""Names of workloads: those that are built in, and references to others."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from objectives import InputError
from sweeps.spec.workload import Workload
from trainer import import_object

__all__ = ["METRIC_LEARNING", "load_workload", "workload_of"]

METRIC_LEARNING: Final = "metric_learning"


def workload_of(spec: Mapping[str, Any]) -> Workload:
    """Return the workload of a spec that is plain data, such as the store's.

    Raises:
        InputError: As `load_workload`.
    """
    return load_workload(spec.get("workload", METRIC_LEARNING))


def load_workload(reference: str) -> Workload:
    """Return a workload by its name, or as ``package.module:attribute``.

    Raises:
        InputError: There is none, or it is no `Workload`; the message names the field.
    """
    if reference in _BUILT_IN:
        return _BUILT_IN[reference]()
    if ":" not in reference:
        raise InputError(
            f"{reference!r} is not one of {', '.join(_BUILT_IN)}, nor a package.module:attribute",
            field="workload",
        )
    found = import_object(reference, field="workload")
    if not isinstance(found, Workload):
        raise InputError(f"{reference!r} is no sweeps.Workload", field="workload")
    return found


# Each is imported where a spec names it, as a user's own are.
def _metric_learning() -> Workload:
    from sweeps.spec.metric_learning import workload

    return workload


def _simulated() -> Workload:
    from sweeps.spec.simulated import workload

    return workload


_BUILT_IN: Final[Mapping[str, Callable[[], Workload]]] = {
    METRIC_LEARNING: _metric_learning,
    "simulated": _simulated,
}

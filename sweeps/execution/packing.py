"""Packing of trials on GPUs: the share that each is given where the spec leaves it to a probe."""

from collections.abc import Mapping
from typing import Any, Final

import ray

from objectives import InputError
from sweeps.execution.last_words import last_words
from sweeps.execution.opened_data import Surroundings
from sweeps.spec import MemoryDemand, SweepSpec

__all__ = ["found_demand", "packed"]

_FIELD: Final = "resources.gpu"


def found_demand(spec: SweepSpec, surroundings: Mapping[str, Any]) -> MemoryDemand | None:
    """Return what a trial takes of a GPU, found by a task that holds one; None where not asked.

    Args:
        spec: The sweep's.
        surroundings: As `sweeps.execution.opened_data.Surroundings` takes them.

    Raises:
        InputError: The cluster has no GPU, or the probe failed.
    """
    if spec.resources.gpu != "auto":
        return None
    if ray.cluster_resources().get("GPU", 0) < 1:
        raise InputError("'auto' needs a GPU, and there is none; give 0", field=_FIELD)
    task = _foresee.options(num_cpus=spec.resources.cpu, num_gpus=spec.resources.gpu_share)
    whole = {"cpu": spec.resources.cpu, "gpu": spec.resources.gpu_share}
    plain = spec.model_dump(mode="json", by_alias=True)
    try:
        found: MemoryDemand = ray.get(task.remote(plain, {**surroundings, "resources": whole}))
    except ray.exceptions.RayError as error:
        raise InputError(
            f"what a trial takes could not be foreseen ({last_words(error)}); give a number",
            field=_FIELD,
        ) from error
    return found


def packed(spec: SweepSpec, demand: MemoryDemand | None) -> SweepSpec:
    """Return the spec with the share of a GPU that the demand asks for, where there is one."""
    if demand is None:
        return spec
    resources = spec.resources.model_copy(update={"gpu": demand.gpu})
    return spec.model_copy(update={"resources": resources})


# A process that ends with its task leaves what it held to the trials.
@ray.remote(max_retries=0, max_calls=1)  # type: ignore[untyped-decorator]  # Ray has no types
def _foresee(spec: Mapping[str, Any], surroundings: Mapping[str, Any]) -> MemoryDemand:
    here = Surroundings(surroundings)
    here.workload.prepare(here.resources)
    if here.workload.memory is None:  # refused when the spec was read
        raise ValueError(f"the workload {surroundings['workload']!r} foresees nothing")
    space = SweepSpec.model_validate(spec).search_space()
    return here.workload.memory(space, here.open_data(), here.resources)

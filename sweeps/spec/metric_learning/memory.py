"""Memory of metric learning on a GPU: bounded, released between trials, and foreseen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sweeps.spec.data import Data
from sweeps.spec.memory import MemoryDemand
from sweeps.spec.resources import Resources
from sweeps.spec.space import SearchSpace
from trainer import TrialConfig

if TYPE_CHECKING:
    import torch

__all__ = ["device_of", "foresee", "most_demanding", "release"]


def device_of(resources: Resources) -> "torch.device":
    """Return the device of a trial, and bound what this process takes of it."""
    import torch

    from trainer import bound_memory

    device = torch.device("cuda" if resources.gpu else "cpu")
    bound_memory(device, resources.gpu_share)
    return device


def release() -> int:
    """Give back the memory of the last trial; return the bytes still held on the GPU."""
    import torch

    from trainer import release_memory

    return release_memory() if torch.cuda.is_initialized() else 0


def foresee(space: SearchSpace, data: Data, _resources: Resources) -> MemoryDemand:
    """Try parts of the largest batch with each backbone, on a GPU that is this process's own."""
    import torch

    from trainer import CONTEXT_BYTES, is_out_of_memory, predict_memory

    device = torch.device("cuda")
    _, total = torch.cuda.mem_get_info(device)
    most = 0
    for config in most_demanding(space):
        try:
            taken = predict_memory(config, data.content, device=device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            taken = total  # and trials are on their way to smaller micro-batches
        most = max(most, taken + CONTEXT_BYTES)
    return MemoryDemand(trial=most, device=total)


def most_demanding(space: SearchSpace) -> list[TrialConfig]:
    """Return for each backbone of the space a configuration that takes the most memory."""
    changes = {
        "batch_size": max(space.values("batch_size")),
        "micro_batch_size": _largest(space.values("micro_batch_size")),
        "embedding_dim": max(space.values("embedding_dim")),
    }
    found = (config.model_dump() for _, config in space.variants(("backbone",)))
    return [TrialConfig.model_validate({**config, **changes}) for config in found]


def _largest(sizes: Sequence[Any]) -> int | None:
    """Return the largest size; none at all stands for the whole batch."""
    return None if None in sizes else int(max(sizes))

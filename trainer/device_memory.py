"""Memory of a CUDA device, as a process shares it with others."""

import gc
from typing import Final

import torch

__all__ = [
    "CONTEXT_BYTES",
    "bound_memory",
    "bounded_share",
    "is_out_of_memory",
    "release_memory",
    "widen_memory",
]

# What CUDA and its libraries hold of a device for each process, beside what torch reserves.
CONTEXT_BYTES: Final = 2**29
# What is too little to try again for.
_NOTICEABLE: Final = 2**26
# Words of torch's own error, of the driver's, of cuBLAS and cuDNN, and of the CPU's allocator.
_WORDS: Final = ("out of memory", "alloc_failed", "allocation_failed", "can't allocate memory")


def bound_memory(device: torch.device, share: float) -> None:
    """Bound what torch reserves on a CUDA device in this process; elsewhere do nothing.

    A share below 1 has to hold the process's CUDA context too (`CONTEXT_BYTES`), so that as many
    processes as there are shares fit.

    Args:
        device: The device.
        share: Of its memory; 1 or more lifts the bound.
    """
    if device.type != "cuda":
        return
    if share < 1:
        _, total = torch.cuda.mem_get_info(device)
        share = max(share - CONTEXT_BYTES / total, share / 2)
    torch.cuda.set_per_process_memory_fraction(float(min(share, 1.0)), _index(device))


def bounded_share(device: torch.device) -> float:
    """Return the share of a CUDA device's memory that torch may reserve in this process."""
    return torch.cuda.get_per_process_memory_fraction(_index(device))


def widen_memory(device: torch.device) -> bool:
    """Let this process reserve up to twice as much on a CUDA device, as far as that is free.

    Returns:
        Whether there was anything to be had.
    """
    if device.type != "cuda":
        return False
    now = bounded_share(device)
    free, total = torch.cuda.mem_get_info(device)
    reach = (torch.cuda.memory_reserved(device) + free) / total
    wider = min(2 * now, reach, 1.0)
    if (wider - now) * total < _NOTICEABLE:
        return False
    torch.cuda.set_per_process_memory_fraction(float(wider), _index(device))
    return True


def release_memory() -> int:
    """Give back what nothing refers to any more, and begin peaks anew.

    Returns:
        Bytes that torch still has reserved on the present CUDA device; 0 where none is in use.
    """
    gc.collect()
    if not torch.cuda.is_initialized():
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_reserved()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or a library on it, could have no more memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in said for word in _WORDS)


def _index(device: torch.device) -> int:
    """Return the device's number, which torch's bounds want where all else takes plain ``cuda``."""
    return torch.cuda.current_device() if device.index is None else device.index

"""Settings of the C library's allocator for a process that trains."""

import ctypes
from typing import Final

__all__ = ["keep_freed_memory"]

# glibc's numbers of the two settings.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 2**30
_LARGEST: Final = 2**25  # the most that every glibc takes


def keep_freed_memory() -> bool:
    """Let this process keep small blocks that it frees for what it allocates next.

    By default glibc gives the freed activations of each training step back to the system, which
    hands them out again, and clears them, page by page in the next step: a twentieth to a tenth of
    the time of a small model's step on a CPU. Blocks of more than 32 MiB are still given back, and
    so is what is free at the top of the heap beyond 1 GiB.

    Returns:
        Whether the C library took the settings; only glibc has them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT)) and bool(mallopt(_MMAP_THRESHOLD, _LARGEST))

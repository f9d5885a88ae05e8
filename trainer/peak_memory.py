"""Peak memory of a stretch of work, on a CUDA device or of this process."""

import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import torch

__all__ = ["PeakMemory"]

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak memory within a ``with`` block, in bytes.

    On a CUDA device it is what torch has allocated there. On the CPU it is the memory that the
    process holds (its resident set), where Linux can be asked for the peak of a stretch; elsewhere
    the peak since the process began.

    Args:
        device: The device.

    Attributes:
        before: Held when the block began.
        peak: The most held within the block; set at its end.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.before = self.peak = 0

    def __enter__(self) -> Self:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self.before = torch.cuda.memory_allocated(self._device)
            return self
        with suppress(OSError):  # some sandboxes do not let it be reset
            _CLEAR.write_text("5")
        self.before = _resident_peak()
        return self

    def __exit__(self, *error: object) -> None:
        if self._device.type == "cuda":
            self.peak = torch.cuda.max_memory_allocated(self._device)
        else:
            self.peak = _resident_peak()


def _resident_peak() -> int:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

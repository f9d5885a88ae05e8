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
    """Peak memory within a ``with`` block, or since `begin`, in bytes.

    On a CUDA device it is what torch has reserved there, which is what a bound on the process
    bounds. On the CPU it is the memory that the process holds (its resident set), where Linux can
    be asked for the peak of a stretch; elsewhere the peak since the process began.

    Args:
        device: The device.

    Attributes:
        before: Held when the stretch began.
        peak: The most held within the block; set at its end.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.before = self.peak = 0

    def begin(self) -> None:
        """Forget what was before."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
            self.before = torch.cuda.memory_reserved(self._device)
            return
        with suppress(OSError):  # some sandboxes do not let it be reset
            _CLEAR.write_text("5")
        self.before = _resident_peak()

    def so_far(self) -> int:
        """Return the most held since the beginning."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._device)
        return _resident_peak()

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.peak = self.so_far()


def _resident_peak() -> int:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

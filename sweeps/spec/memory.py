"""Memory that a trial demands of a GPU."""

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["MemoryDemand"]

# What is foreseen falls short now and then.
_SLACK: Final = 1.1
# Ray counts in ten-thousandths.
_FINEST: Final = 10_000
_MOST: Final = 64


@dataclass(frozen=True, kw_only=True)
class MemoryDemand:
    """Memory that the most demanding trial of a space takes of a GPU.

    Attributes:
        trial: Bytes, with all that the process holds there.
        device: Bytes that the GPU has.
    """

    trial: int
    device: int

    @property
    def gpu(self) -> float:
        """Share of a GPU that holds a trial and a tenth more: 1, 1/2, 1/3 ... rounded to 1e-4."""
        share = _SLACK * self.trial / self.device
        at_once = min(_MOST, math.floor(1 / share)) if 0 < share <= 1 else 1
        return math.floor(_FINEST / at_once) / _FINEST

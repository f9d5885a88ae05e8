"""Cache of decoded data: where it lies, and who is told how far the decoding has got."""

from dataclasses import dataclass
from pathlib import Path

from objectives import Progress, ignore_progress

__all__ = ["Cache"]


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Place for what a workload decodes once and every trial on a machine then reads.

    Attributes:
        folder: Made when something is first written to it; on a cluster the same path on each node.
        progress: Told the share decoded, in (0, 1], from time to time.
    """

    folder: Path
    progress: Progress = ignore_progress

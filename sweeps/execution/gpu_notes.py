"""Notes on how the trials of a sweep share GPUs."""

import os
from pathlib import Path
from typing import Final

import ray

from sweeps.spec import MemoryDemand, SweepSpec

__all__ = ["gpu_notes"]

# Where the daemon of MPS listens, if the environment names no other folder.
_MPS: Final = "/tmp/nvidia-mps"
_GIB: Final = 2**30


def gpu_notes(spec: SweepSpec, demand: MemoryDemand | None, *, here: bool) -> tuple[str, ...]:
    """Return sentences on it, none where there is nothing to say.

    Args:
        spec: The sweep's.
        demand: What a probe found that a trial takes; None where there was no probe.
        here: Whether the trials run on this machine; elsewhere MPS cannot be looked for.
    """
    notes = []
    if demand is not None:
        notes.append(
            f"a trial is foreseen to take {demand.trial / _GIB:.1f} of a GPU's "
            f"{demand.device / _GIB:.1f} GiB, so it holds {demand.gpu:g} of one"
        )
    together = _together(spec)
    if here and together > 1 and ray.cluster_resources().get("GPU", 0):
        notes.append(_on_mps(together))
    return tuple(notes)


def _together(spec: SweepSpec) -> int:
    """Return how many trials a GPU takes at a time; 0 where they train on the CPU."""
    share = spec.resources.gpu_share
    fit = int(1 / share) if share else 0
    return min(fit, spec.budget.max_concurrent or fit)


def _on_mps(together: int) -> str:
    """Say what NVIDIA's Multi-Process Service does for them; CUDA finds its daemon by itself."""
    folder = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", _MPS)
    if (Path(folder) / "control").exists():
        return f"up to {together} trials compute on a GPU at the same time (MPS runs)"
    return (
        f"up to {together} trials share a GPU, and take turns on it; with NVIDIA's MPS they would "
        "compute at the same time: nvidia-cuda-mps-control -d"
    )

"""Simulated trials that say where they run, in processes that pretend to hold memory of a GPU."""

import os
from dataclasses import replace
from typing import Any

from sweeps.spec import Data, MemoryDemand, Resources, SearchSpace
from sweeps.spec.simulated import SimulatedConfig, SimulatedRun, workload
from trainer import Measurement

GIB = 2**30
PIPES = "CUDA_MPS_PIPE_DIRECTORY"


class Process:
    """What this process pretends to hold, and what it was asked for."""

    trials = 0
    held = 0


class Run(SimulatedRun):
    """A simulated trial that measures its process too."""

    def __init__(self, config: SimulatedConfig, resources: Resources) -> None:
        super().__init__(config)
        self._gpu = resources.gpu_share
        Process.trials += 1

    def advance(self) -> Measurement:
        measured = super().advance()
        about = {
            "process": float(os.getpid()),
            "trials": float(Process.trials),
            "gpu": self._gpu,
            "pipes": float(os.environ.get(PIPES) == "/pipes"),
        }
        return replace(measured, metrics={**measured.metrics, **about})


def start(config: SimulatedConfig, _data: Data, _scoring: Any, resources: Resources) -> Run:
    return Run(config, resources)


def leak() -> int:
    """Hold a GiB more after each trial."""
    Process.held += GIB
    return Process.held


def waver() -> int:
    """Hold a little more or less, as a process does that is well."""
    return GIB + (Process.trials % 2) * 2**20


def foresee(space: SearchSpace, _data: Data, resources: Resources) -> MemoryDemand:
    assert resources.gpu == 1
    assert "trade" in space.config({}).model_dump()
    return MemoryDemand(trial=3 * GIB, device=10 * GIB)


def fail(_space: SearchSpace, _data: Data, _resources: Resources) -> MemoryDemand:
    raise RuntimeError("no kernel image")


leaking = replace(workload, start=start, release=leak)
foreseeing = replace(workload, start=start, release=waver, memory=foresee)
failing = replace(workload, start=start, memory=fail)
steady = replace(workload, start=start)

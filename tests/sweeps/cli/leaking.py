"""Simulated trials that tell the secrets they know: in their errors, and in what they export."""

import os
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from sweeps.spec import Data, PickedTrial, Resources
from sweeps.spec.simulated import SimulatedConfig, SimulatedRun, workload
from trainer import TrialFailed

SECRET = "S3cret"


class Exported(BaseModel):
    """All that is known of a trial."""

    spec: dict[str, Any]
    provenance: dict[str, Any]


def start(
    config: SimulatedConfig, _data: Data, _scoring: Any, _resources: Resources
) -> SimulatedRun:
    where = os.environ["MLFLOW_TRACKING_URI"]
    if config.detour == 1:
        raise TrialFailed(f"no answer from {where}")
    if config.detour == 2:
        raise ConnectionError(f"cannot reach {where}")
    return SimulatedRun(config)


def export(trial: PickedTrial) -> Exported:
    return Exported(spec=dict(trial.spec), provenance=dict(trial.provenance))


telling = replace(workload, start=start, export=export)

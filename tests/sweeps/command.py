"""Command line called in this process, and the sweep that it has carried out."""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from sweeps.cli import main

# One of the two learning rates is sure to end in NaN; under this seed the sampler tries both.
TINY = """
name: tiny
data: {name: digits}
space:
  loss: [smooth_ap, multi_similarity]
  margin_positive: {low: 0.5, high: 0.99}
  margin_negative: {low: -0.2, high: 0.8}
  learning_rate: [1e-3, 1e30]
trial: {backbone: test_efficientnet_gn, embedding_dim: 16, epochs: 2, batch_size: 16}
seeds: 1
seed: 3
budget: {trials: 5, max_concurrent: 2}
"""
# Small enough for any machine, and none of the user's own settings.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
SETTINGS = ("SWEEPS_HOME", "SWEEPS_CACHE", "SWEEPS_STORE", "MLFLOW_TRACKING_URI", "RAY_ADDRESS")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


class Command:
    """Calls ``sweeps`` in this process, as the console script does."""

    tiny = TINY

    def __call__(
        self, *arguments: object, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Ran:
        out, err = StringIO(), StringIO()
        clean = {key: value for key, value in os.environ.items() if key not in SETTINGS}
        with (
            patch.object(sys, "argv", ["sweeps", *map(str, arguments)]),
            patch.dict(os.environ, clean | ENVIRONMENT | dict(environment), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = _exit_code()
        return Ran(code=code, out=out.getvalue(), err=err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@dataclass(frozen=True, kw_only=True)
class TinySweep:
    """A sweep that a real local Ray has carried out; not to be changed."""

    home: Path
    spec: Path
    margins: Path
    ran: Ran

"""Data and sections of a spec, as the processes of trials open them."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from objectives import InputError
from sweeps.spec import Cache, Data, Resources, Workload, load_workload
from trainer import TrialFailed

__all__ = ["Surroundings", "UnreadableData", "check_metrics"]


class UnreadableData(TrialFailed):
    """A trial whose process cannot read the data that the driver could read."""

    kind = "data"


class Surroundings:
    """All that a process of trials is given beside a configuration, read from plain data.

    Args:
        config: ``workload``, ``data``, ``fingerprint``, ``cache``, ``scoring`` and ``resources``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.workload: Workload = load_workload(config["workload"])
        self.resources = Resources.model_validate(config["resources"])

    @property
    def scoring(self) -> Any:
        """The ``scoring`` section."""
        return _section(self.workload.scoring, self._config["scoring"])

    def open_data(self) -> Data:
        """Return the data, opened once in a process.

        Raises:
            UnreadableData: They are not those that the sweep began with, or cannot be read.
        """
        config = self._config
        try:
            data = _open_once(config["workload"], json.dumps(config["data"]), config["cache"])
        except (InputError, OSError) as error:  # the driver read them: this machine cannot
            raise UnreadableData(f"the data cannot be read: {error}") from error
        if data.fingerprint != config["fingerprint"]:
            raise UnreadableData("the data are not those that the sweep began with")
        return data


def check_metrics(metrics: Mapping[str, float], objectives: Sequence[str], *, when: str) -> None:
    """Refuse what a workload of any origin may hand over and the record cannot hold.

    Raises:
        TrialFailed: A metric is not finite, or that of an objective is not there.
    """
    names = {*metrics, *objectives}
    undefined = sorted(n for n in names if not math.isfinite(metrics.get(n, math.nan)))
    if undefined:
        raise TrialFailed(f"{', '.join(undefined)} undefined {when}")


@lru_cache(maxsize=1)
def _open_once(workload: str, data: str, cache: str) -> Data:
    """Open the data of this process's trials, which are the same in every one of them."""
    kind = load_workload(workload)
    return kind.open_data(_section(kind.data, json.loads(data)), Cache(folder=Path(cache)))


def _section(model: type[Any] | None, raw: Any) -> Any:
    return None if model is None else TypeAdapter(model).validate_python(raw)

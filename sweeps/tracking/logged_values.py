"""Values logged to MLflow: names, texts and times in the form that it takes."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from objectives import Objective
from sweeps.results import (
    SPLIT,
    RankedTrial,
    RankedTrials,
    finished_trials,
    hypervolume_curve,
)
from sweeps.store import BaselineRecord, MeasurementRecord, Purpose, TrialRecord, TrialState

__all__ = [
    "baseline_metrics",
    "baseline_tags",
    "estimate_metrics",
    "flat_texts",
    "hypervolume_points",
    "milliseconds",
    "pair_metrics",
    "trial_metrics",
    "trial_tags",
    "utc_text",
]


def trial_metrics(
    trial: TrialRecord, measurement: MeasurementRecord
) -> Iterator[tuple[str, float, int, int]]:
    """Yield name, value, time in milliseconds and step of each metric.

    Names are the store's for the validation split and the configuration's own seed; others come
    as ``test/NAME``, ``seed_3/NAME`` or ``test/seed_3/NAME``.
    """
    own_seed = trial.config.get("seed", measurement.seed)
    split = "" if measurement.split == SPLIT else f"{measurement.split}/"
    seed = "" if measurement.seed == own_seed else f"seed_{measurement.seed}/"
    at = milliseconds(measurement.recorded_at)
    for name, value in measurement.metrics.items():
        yield f"{split}{seed}{name}", value, at, measurement.epoch


def trial_tags(trial: TrialRecord) -> dict[str, str]:
    """Return the tags of a trial that do not change with other trials."""
    tags = {"control": _text(trial.control), "state": trial.state.value}
    # A LOST one is to run again, and MLflow would keep why after that.
    if trial.reason is None or trial.state is TrialState.LOST:
        return tags
    return tags | {"reason": trial.reason}


def baseline_metrics(baselines: Iterable[BaselineRecord]) -> Iterator[tuple[str, float, int, int]]:
    """Yield name, value, time and step 0 of each metric, such as ``baseline.raw_pixels.NAME``.

    Those of the test split begin with ``test/``.
    """
    for each in baselines:
        split = "" if each.split == SPLIT else f"{each.split}/"
        for name, value in (each.metrics or {}).items():
            yield f"{split}baseline.{each.name}.{name}", value, milliseconds(each.recorded_at), 0


def baseline_tags(baselines: Iterable[BaselineRecord]) -> dict[str, str]:
    """Return what each baseline is called, and why one failed."""
    return {
        f"baseline.{each.name}": each.label + (f": {each.reason}" if each.reason else "")
        for each in baselines
    }


def estimate_metrics(trial: RankedTrial, *, at: int) -> Iterator[tuple[str, float, int, int]]:
    """Yield name, value, time and step of each estimate, its interval's ends, and ``p_front``.

    They are ``estimate.NAME``, ``estimate.NAME.low`` and ``estimate.NAME.high``, with the number of
    runs that they rest on as the step; there are none where noise is unknown.
    """
    for name, (low, high) in trial.intervals.items():
        for end, value in (("", trial.values[name]), (".low", low), (".high", high)):
            yield f"estimate.{name}{end}", value, at, trial.runs
    if trial.chance is not None:
        yield "p_front", trial.chance, at, trial.runs


def pair_metrics(
    ranked: RankedTrials, number: int, *, at: int
) -> Iterator[tuple[str, float, int, int]]:
    """Yield name, value, time and step of a trial's differences to its control and default.

    They are ``difference.control.NAME``, with ``.low`` and ``.high``, and those of the test classes
    begin with ``test/``; the step is the number of seeds.
    """
    for prefix, held in (("", ranked.pairs), ("test/", ranked.confirmed)):
        for pair in held.get(number, ()):
            for name, found in pair.differences.items():
                ends = {"": found.value, ".low": found.low, ".high": found.high}
                for end, value in ends.items():
                    if value is not None:
                        key = f"{prefix}difference.{pair.role}.{name}{end}"
                        yield key, value, at, len(pair.seeds)


def hypervolume_points(
    objectives: tuple[Objective, Objective],
    trials: Sequence[TrialRecord],
    measurements: Sequence[MeasurementRecord],
) -> Iterator[tuple[int, float, int]]:
    """Yield the hypervolume by number of finished trials: step, value, time in milliseconds.

    The time is that of the newest record that the value rests on, so a value that later seeds
    have changed is newer than the one it replaces.
    """
    recorded: dict[int, datetime] = {}
    for m in measurements:
        if m.split == SPLIT and m.purpose is Purpose.SEARCH:
            recorded[m.number] = max(m.recorded_at, recorded.get(m.number, m.recorded_at))
    finished = finished_trials(objectives, trials, measurements)
    values = hypervolume_curve(objectives, trials, measurements)
    newest = 0
    for step, ((trial, _), value) in enumerate(zip(finished, values, strict=True), start=1):
        ended = trial.finished_at or trial.started_at
        newest = max(newest, milliseconds(max(ended, recorded[trial.number])))
        yield step, value, newest


def flat_texts(tree: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    """Return dotted names and texts; what MLflow refuses in a name becomes an underscore."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = prefix + re.sub(r"[^\w\-. :/]", "_", str(key))
        if isinstance(value, Mapping):
            flat |= flat_texts(value, prefix=f"{name}.")
        else:
            flat[name] = _text(value)
    return flat


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def utc_text(moment: datetime) -> str:
    """Return the moment in UTC, ISO 8601."""
    return moment.astimezone(UTC).isoformat()

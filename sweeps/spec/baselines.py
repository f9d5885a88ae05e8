"""Baselines: scores of doing without training, which a trained trial has to beat."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from sweeps.spec.data import Data
from sweeps.spec.parameters import Scalar
from sweeps.spec.resources import Resources
from sweeps.spec.space import SearchSpace

__all__ = ["Baseline", "PlannedBaseline", "planned_baselines"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Way to do without training.

    Attributes:
        label: What people call it, such as "raw pixels".
        score: Returns the metrics that a trial would be measured by, on the validation split, from
            a configuration, the data, the ``scoring`` section, and what a trial holds. Called in a
            process like a trial's. May raise ``trainer.TrialFailed``.
        fields: The fields of a configuration that it depends on, each of choices: it is scored once
            for each combination of the values that a space gives them.
    """

    label: str
    score: Callable[[Any, Data, Any, Resources], Mapping[str, float]]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedBaseline:
    """Baseline of one sweep.

    Attributes:
        number: Counts from 0 within the sweep.
        kind: Its key among the workload's baselines.
        name: The key, and from the second of a kind on its place: ``untouched_trunk_2``.
        label: What people call it; where there are several of a kind, with what tells them apart.
        fields: The fields that it depends on, with their values as plain JSON data.
        config: A configuration that has them.
    """

    number: int
    kind: str
    name: str
    label: str
    fields: Mapping[str, Scalar]
    config: BaseModel


def planned_baselines(
    baselines: Mapping[str, Baseline], space: SearchSpace
) -> tuple[PlannedBaseline, ...]:
    """Return the baselines of a sweep over the space, in the order in which they are shown."""
    found = [each for kind, baseline in baselines.items() for each in _of(kind, baseline, space)]
    return tuple(PlannedBaseline(number=number, **each) for number, each in enumerate(found))


def _of(kind: str, baseline: Baseline, space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Yield the fields, but the number, of the planned baselines of a kind."""
    variants = space.variants(baseline.fields)
    differing = [name for name in baseline.fields if len({v[name] for v, _ in variants}) > 1]
    for place, (values, config) in enumerate(variants, start=1):
        telling = " ".join(f"{name}={values[name]}" for name in differing)
        yield {
            "kind": kind,
            "name": kind if place == 1 else f"{kind}_{place}",
            "label": f"{baseline.label} ({telling})" if telling else baseline.label,
            "fields": config.model_dump(mode="json", include={*values}),
            "config": config,
        }

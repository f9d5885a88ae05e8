"""Baselines of a sweep, scored on Ray before its trials."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import ray

from sweeps.execution.callback import SweepCallback
from sweeps.execution.last_words import last_words
from sweeps.execution.opened_data import Surroundings, check_metrics
from sweeps.spec import PlannedBaseline, SweepSpec, planned_baselines
from sweeps.store import Store
from trainer import Split

__all__ = ["score_baselines"]

_SPLIT: Final[Split] = "validation"


def score_baselines(
    spec: SweepSpec,
    surroundings: Mapping[str, Any],
    store: Store,
    callbacks: Sequence[SweepCallback],
) -> None:
    """Score each baseline that is not yet, with the resources of a trial; none ends the sweep.

    Args:
        spec: The sweep's.
        surroundings: As `sweeps.execution.opened_data.Surroundings` takes them, and ``objectives``.
        store: The record.
        callbacks: Called after each.
    """
    scored = {each.number for each in store.baselines(spec.name) if each.split == _SPLIT}
    planned = planned_baselines(spec.kind.baselines, spec.search_space())
    waiting = [each for each in planned if each.number not in scored]
    most = spec.budget.max_concurrent or len(waiting)
    running: dict[Any, PlannedBaseline] = {}
    while waiting or running:
        while waiting and len(running) < most:
            first = waiting.pop(0)
            running[_begin(first, spec, surroundings)] = first
        [ended], _ = ray.wait([*running])
        _record(store, spec.name, running.pop(ended), ended)
        for callback in callbacks:
            callback.on_baseline_event()


def _begin(planned: PlannedBaseline, spec: SweepSpec, surroundings: Mapping[str, Any]) -> Any:
    task = _score.options(num_cpus=spec.resources.cpu, num_gpus=spec.resources.gpu_share)
    return task.remote(planned.kind, planned.config.model_dump(mode="json"), surroundings)


# A process that ends with its task leaves what it held to the trials.
@ray.remote(max_retries=0, max_calls=1)  # type: ignore[untyped-decorator]  # Ray has no types
def _score(
    kind: str, config: Mapping[str, Any], surroundings: Mapping[str, Any]
) -> dict[str, float]:
    here = Surroundings(surroundings)
    here.workload.prepare(here.resources)
    baseline = here.workload.baselines[kind]
    made = here.workload.config.model_validate(config)
    metrics = baseline.score(made, here.open_data(), here.scoring, here.resources)
    check_metrics(metrics, surroundings["objectives"], when="without training")
    return {name: float(value) for name, value in metrics.items()}


def _record(store: Store, sweep: str, planned: PlannedBaseline, ended: Any) -> None:
    metrics, reason = None, None
    try:
        metrics = ray.get(ended)
    except Exception as error:  # of whatever kind the workload, or Ray, raises
        reason = last_words(error)
    store.record_baseline(
        sweep,
        planned.number,
        name=planned.name,
        label=planned.label,
        fields=planned.fields,
        split=_SPLIT,
        metrics=metrics,
        reason=reason,
    )

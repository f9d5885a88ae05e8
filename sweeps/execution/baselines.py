"""Baselines of a sweep, scored on Ray before its trials."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import ray

from sweeps.execution.callback import SweepCallback, call_each
from sweeps.execution.last_words import last_words
from sweeps.execution.lease import Lease
from sweeps.execution.opened_data import Surroundings, UnreadableData, check_metrics
from sweeps.spec import PlannedBaseline, SweepSpec, planned_baselines
from sweeps.store import Store, WriteQueue
from trainer import Split

__all__ = ["score_baselines"]

_SPLIT: Final[Split] = "validation"
# So often a process may die of it, or not read the data.
_DEATHS: Final = 3


def score_baselines(
    spec: SweepSpec,
    surroundings: Mapping[str, Any],
    store: Store,
    lease: Lease,
    writes: WriteQueue,
    callbacks: Sequence[SweepCallback],
) -> None:
    """Score each baseline that is not yet, with the resources of a trial; none ends the sweep.

    Args:
        spec: The sweep's.
        surroundings: As `sweeps.execution.opened_data.Surroundings` takes them, and ``objectives``.
        store: The record.
        lease: This process's, of the sweep.
        writes: Keeps what the store cannot take for a while.
        callbacks: Called after each.

    Raises:
        TakenOverError: Another process carries the sweep out by now.
    """

    def record(**row: Any) -> None:
        with lease.held():
            store.record_baseline(spec.name, split=_SPLIT, **row)

    scored = {each.number for each in store.baselines(spec.name) if each.split == _SPLIT}
    planned = planned_baselines(spec.kind.baselines, spec.search_space())
    waiting = [each for each in planned if each.number not in scored]
    for each, metrics, reason in _scored(waiting, spec, surroundings):
        writes.write(
            record,
            number=each.number,
            name=each.name,
            label=each.label,
            fields=each.fields,
            metrics=metrics,
            reason=reason,
        )
        if not writes.pending:
            call_each(callbacks, lambda each: each.on_baseline_event())


def _scored(
    waiting: Sequence[PlannedBaseline], spec: SweepSpec, surroundings: Mapping[str, Any]
) -> Iterator[tuple[PlannedBaseline, dict[str, float] | None, str | None]]:
    """Yield each baseline with what it scored, or why it did not, side by side."""
    most = spec.budget.max_concurrent or len(waiting)
    left, deaths = deque(waiting), Counter[int]()
    running: dict[Any, PlannedBaseline] = {}
    while left or running:
        while left and len(running) < most:
            first = left.popleft()
            running[_begin(first, spec, surroundings)] = first
        [ended], _ = ray.wait([*running])
        planned = running.pop(ended)
        try:
            metrics, reason = ray.get(ended), None
        except Exception as error:  # of whatever kind the workload, or Ray, raises
            unreadable = isinstance(getattr(error, "cause", None), UnreadableData)
            if unreadable or not isinstance(error, ray.exceptions.RayTaskError):
                deaths[planned.number] += 1
                if deaths[planned.number] < _DEATHS:
                    left.append(planned)
                    continue
            if unreadable:
                continue  # who resumes the sweep may do so elsewhere
            metrics, reason = None, last_words(error)
        yield planned, metrics, reason


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

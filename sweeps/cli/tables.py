"""Tables for the terminal: values, trials, fronts and sweeps."""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from objectives import Objective
from sweeps.results import (
    ConfirmedFronts,
    Pair,
    RankedTrial,
    RankedTrials,
    failures_document,
    final_measurements,
)
from sweeps.store import AttemptRecord, MeasurementRecord, SweepRecord, TrialRecord

__all__ = [
    "confirmed_table",
    "describe_sampled",
    "epochs_done",
    "format_value",
    "front_table",
    "metrics_table",
    "objective_heading",
    "pairs_table",
    "status_table",
    "sweeps_table",
]


def format_value(value: float | None) -> str:
    """Write a metric with four significant digits; a dash where there is none."""
    return "-" if value is None else f"{value:.4g}"


def objective_heading(objective: Objective) -> str:
    """Name an objective with an arrow to its better side."""
    return f"{objective.label} {'↑' if objective.direction == 'maximize' else '↓'}"


def describe_sampled(sampled: Mapping[str, Any], *, control: bool) -> str:
    """Write sampled fields as ``name=value``, a control's as such."""
    fields = [
        f"{name}={format_value(value) if isinstance(value, float) else value}"
        for name, value in sampled.items()
    ]
    return " ".join(["(control)", *fields] if control else fields)


def front_table(ranked: RankedTrials, *, width: int, every_trial: bool = False) -> Table:
    """Tabulate the front, or all finished trials by rank; the knee and controls are marked.

    The baselines follow, each by its label.
    Sampled fields have a column each where `width` characters allow it, else one for all.
    """
    trials = ranked.trials if every_trial else ranked.front
    sampled = {name for trial in trials for name in trial.sampled}
    names = [name for name in (trials[0].config if trials else ()) if name in sampled]
    table = _front_frame(ranked, every_trial=every_trial)
    wide = _front_frame(ranked, every_trial=every_trial)
    table.add_column("sampled", overflow="fold", min_width=28)
    for name in names:
        wide.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for trial in trials:
        style = "bold green" if trial.number == ranked.knee else ""
        cells = _front_cells(ranked, trial, every_trial=every_trial)
        described = escape(describe_sampled(trial.sampled, control=False))
        table.add_row(*cells, described, style=style)
        wide.add_row(*cells, *(_cell(trial.sampled.get(name)) for name in names), style=style)
    for each in ranked.baselines:
        if each.metrics is not None:
            cells = _baseline_cells(ranked, each.label, each.metrics, every_trial=every_trial)
            table.add_row(*cells, style="italic dim")
            wide.add_row(*cells, style="italic dim")
    fits = Console(width=10_000).measure(wide).maximum <= width
    return wide if fits else table


def _front_frame(ranked: RankedTrials, *, every_trial: bool) -> Table:
    title = (
        f"{ranked.sweep}: {len(ranked.front)} of {len(ranked.trials)} finished trials on the front"
    )
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    sure = ["P(front)", "runs"] * ranked.told_from_noise
    headings = (*["rank"] * every_trial, *map(objective_heading, ranked.objectives), *sure)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _front_cells(ranked: RankedTrials, trial: RankedTrial, *, every_trial: bool) -> list[str]:
    marks = ["knee"] * (trial.number == ranked.knee) + ["control"] * trial.control
    marks += ["default"] * trial.default
    return [
        str(trial.number),
        " ".join(marks),
        *([str(trial.rank)] if every_trial else []),
        *(_estimate(trial, objective) for objective in ranked.objectives),
        *([] if trial.chance is None else [f"{trial.chance:.2f}", str(trial.runs)]),
    ]


def _estimate(trial: RankedTrial, objective: Objective) -> str:
    """Write an estimate with half of its interval and the mean over runs, or a plain value."""
    value = format_value(trial.values[objective.name])
    if objective.name not in trial.intervals:
        return value
    low, high = trial.intervals[objective.name]
    mean = format_value(trial.means[objective.name])
    return f"{value} ± {(high - low) / 2:.1g} ({mean})"


def _baseline_cells(
    ranked: RankedTrials, label: str, metrics: Mapping[str, float], *, every_trial: bool
) -> list[str]:
    values = [format_value(metrics[objective.name]) for objective in ranked.objectives]
    return ["", escape(label), *[""] * every_trial, *values, *["", ""] * ranked.told_from_noise]


def pairs_table(pairs: Mapping[int, Sequence[Pair]], objectives: Sequence[Objective]) -> Table:
    """Tabulate what trials gain over their controls and defaults, by number."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for heading in (*map(objective_heading, objectives), "seeds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, held in pairs.items():
        for pair in held:
            cells = [_difference(pair, objective) for objective in objectives]
            against = f"{pair.role} (trial {pair.number})"
            table.add_row(str(number), against, *cells, str(len(pair.seeds)))
    return table


def confirmed_table(fronts: ConfirmedFronts, objectives: Sequence[Objective]) -> Table:
    """Tabulate what the test classes make of a front's members."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    for heading in ("trial", *map(objective_heading, objectives), "seeds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("on the front", no_wrap=True)
    for number, values in fronts.values.items():
        sides = ["optimistic"] * (number in fronts.optimistic)
        sides += ["pessimistic"] * (number in fronts.pessimistic)
        cells = [format_value(values[objective.name]) for objective in objectives]
        table.add_row(str(number), *cells, str(fronts.seeds[number]), ", ".join(sides))
    return table


def _difference(pair: Pair, objective: Objective) -> str:
    """Write a difference, green or red where its whole interval is on one side."""
    difference = pair.differences.get(objective.name)
    if difference is None:
        return "-"
    colour = "green" * difference.better(objective) + "red" * difference.worse(objective)
    return f"[{colour}]{difference}[/]" if colour else str(difference)


def epochs_done(trial: TrialRecord, measured: MeasurementRecord | None) -> str:
    """Write the epoch that a trial has reached, of how many."""
    return f"{measured.epoch if measured else 0}/{trial.last_epoch or '?'}"


def status_table(
    sweep: SweepRecord,
    trials: Sequence[TrialRecord],
    measurements: Sequence[MeasurementRecord],
) -> Table:
    """Tabulate the trials of a sweep with the epoch that each has reached."""
    final = final_measurements(measurements, purpose=None, split=None)
    title = f"{sweep.name}: {sweep.state.value}, created {sweep.created_at:%Y-%m-%d %H:%M} UTC"
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in ("trial", "state", "epoch"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why it failed, and what was sampled")
    for trial in trials:
        measured = final.get(trial.number)
        sampled = describe_sampled(trial.sampled, control=trial.control)
        table.add_row(
            str(trial.number),
            trial.state.value,
            epochs_done(trial, measured[-1] if measured else None),
            escape("  ".join(filter(None, (trial.reason, sampled)))),
        )
    return table


def failure_lines(attempts: Sequence[AttemptRecord]) -> Iterator[str]:
    """Yield what befell each attempt at a run that failed or was lost, with its stack."""
    for each in failures_document(attempts):
        where = f" on {each['node']}" if each["node"] else ""
        head = f"trial {each['number']} seed {each['seed']} attempt {each['attempt']}{where}"
        yield f"{head}: {each['state'].value} ({each['kind'] or 'stopped'}): {each['reason']}"
        if each["traceback"]:
            yield from (f"    {line}" for line in each["traceback"].splitlines())


def metrics_table(
    metrics: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Table:
    """Tabulate metrics by name, with the 95 % intervals of those that have one."""
    table = Table(header_style="bold")
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    if intervals:
        table.add_column("95 % interval", no_wrap=True)
    for name, value in metrics.items():
        low, high = intervals.get(name, (math.nan, math.nan))
        between = "" if math.isnan(low) else f"{format_value(low)} to {format_value(high)}"
        table.add_row(name, format_value(value), *([between] if intervals else []))
    return table


def sweeps_table(rows: Sequence[tuple[SweepRecord, Mapping[str, int]]]) -> Table:
    """Tabulate sweeps with how many of their trials stand where."""
    table = Table(header_style="bold")
    for heading in ("sweep", "state", "created (UTC)", "data", "objectives", "trials"):
        table.add_column(heading)
    for sweep, counts in rows:
        data = sweep.spec.get("data") or ""
        # Of several keys the first that is set names the source.
        source = next(filter(None, data.values()), "") if isinstance(data, Mapping) else data
        states = ", ".join(f"{count} {state.lower()}" for state, count in counts.items())
        table.add_row(
            sweep.name,
            sweep.state.value + (" (archived)" if sweep.archived_at else ""),
            f"{sweep.created_at:%Y-%m-%d %H:%M}",
            escape(str(source)),
            ", ".join(sweep.spec["objectives"]),
            states,
        )
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))

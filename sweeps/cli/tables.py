"""How values, trials and fronts are written in the terminal."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from objectives import Objective
from sweeps.records import MeasurementRecord, SweepRecord, TrialRecord
from sweeps.report import Front, FrontRow

__all__ = [
    "describe_sampled",
    "format_value",
    "front_table",
    "metrics_table",
    "objective_heading",
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


def front_table(front: Front, *, width: int, every_trial: bool = False) -> Table:
    """Tabulate the front, or all finished trials by rank; the knee and controls are marked.

    Sampled fields have a column each where `width` characters allow it, else one for all.
    """
    rows = front.rows if every_trial else front.members
    sampled = {name for row in rows for name in row.sampled}
    names = [name for name in (rows[0].config if rows else ()) if name in sampled]
    table = _front_frame(front, every_trial=every_trial)
    wide = _front_frame(front, every_trial=every_trial)
    table.add_column("sampled", overflow="fold", min_width=28)
    for name in names:
        wide.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for row in rows:
        style = "bold green" if row.number == front.knee else ""
        cells = _front_cells(front, row, every_trial=every_trial)
        table.add_row(*cells, describe_sampled(row.sampled, control=False), style=style)
        wide.add_row(*cells, *(_cell(row.sampled.get(name)) for name in names), style=style)
    fits = Console(width=10_000).measure(wide).maximum <= width
    return wide if fits else table


def _front_frame(front: Front, *, every_trial: bool) -> Table:
    title = f"{front.sweep}: {len(front.members)} of {len(front.rows)} finished trials on the front"
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in (*["rank"] * every_trial, *map(objective_heading, front.objectives)):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _front_cells(front: Front, row: FrontRow, *, every_trial: bool) -> list[str]:
    marks = ["knee"] * (row.number == front.knee) + ["control"] * row.control
    values = [format_value(row.values[objective.name]) for objective in front.objectives]
    return [str(row.number), " ".join(marks), *([str(row.rank)] if every_trial else []), *values]


def status_table(
    sweep: SweepRecord, trials: Sequence[TrialRecord], last: Mapping[int, MeasurementRecord]
) -> Table:
    """Tabulate the trials of a sweep with the epoch that each has reached."""
    title = f"{sweep.name}: {sweep.state.value}, created {sweep.created_at:%Y-%m-%d %H:%M} UTC"
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in ("trial", "state", "epoch"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why it failed, and what was sampled")
    for trial in trials:
        measured = last.get(trial.number)
        sampled = describe_sampled(trial.sampled, control=trial.control)
        table.add_row(
            str(trial.number),
            trial.state.value,
            f"{measured.epoch if measured else 0}/{trial.config.get('epochs', '?')}",
            escape("  ".join(filter(None, (trial.reason, sampled)))),
        )
    return table


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
        data = sweep.spec["data"]
        source = data.get("name") or data.get("folder") or data.get("table")
        states = ", ".join(f"{count} {state.lower()}" for state, count in counts.items())
        table.add_row(
            sweep.name,
            sweep.state.value,
            f"{sweep.created_at:%Y-%m-%d %H:%M}",
            escape(str(source)),
            ", ".join(sweep.spec["objectives"]),
            states,
        )
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)

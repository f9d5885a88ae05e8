"""Page of a front: one interactive HTML file, drawn by plotly."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from objectives import Objective
from sweeps.results.plots.baseline_marks import BaselineMark, baseline_marks
from sweeps.results.plots.layout import (
    Axis,
    Series,
    axes_of,
    band,
    series_of,
    staircase,
    titles,
)
from sweeps.results.plots.style import FRONT, GRID, INK, INTERVAL, KNEE
from sweeps.results.ranking import RankedTrial, RankedTrials

__all__ = ["front_html"]


def front_html(ranked: RankedTrials) -> str:
    """Draw the front as one HTML page that needs no network; hover shows a trial's parameters."""
    x, y = axes_of(ranked)
    figure = go.Figure()
    stairs = staircase(ranked, x, y)
    if stairs[0]:
        _trace_stairs(figure, stairs, y)
    if ranked.band is not None:
        _trace_band(figure, *band(ranked, x, y))
    for mark in baseline_marks(ranked, x, y):
        _draw_baseline(figure, mark, ranked.objectives)
    for series in series_of(ranked):
        if series.trials:
            figure.add_trace(_trace(series, x, y, ranked))
    if ranked.told_from_noise:
        figure.add_trace(_trace_intervals(ranked.front, x, y))
    knee = ranked.knee_trial
    if knee is not None:
        figure.add_trace(_trace_knee(knee, x, y))
    _lay_out(figure, ranked, x, y)
    page = figure.to_html(
        include_plotlyjs=True,
        full_html=True,
        default_height="100vh",
        config={"displaylogo": False, "responsive": True},
    )
    title = f"<head><title>{escape(ranked.sweep)}: front</title><style>body{{margin:0}}</style>"
    return str(page).replace("<head>", title, 1)


def _trace_stairs(figure: go.Figure, stairs: tuple[list[float], list[float]], y: Axis) -> None:
    """Draw the shaded region's base first, then the edge that fills down (or up) to it."""
    silent = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    base = {"x": stairs[0], "y": [y.worst_edge] * len(stairs[0]), "line": {"width": 0}}
    edge = {"x": stairs[0], "y": stairs[1], "line": {"color": FRONT, "width": 2}}
    figure.add_trace(go.Scatter(base | silent))
    figure.add_trace(
        go.Scatter(edge | silent | {"fill": "tonexty", "fillcolor": "rgba(0,114,178,0.07)"})
    )


def _trace_band(
    figure: go.Figure, places: list[float], best: list[float], worst: list[float]
) -> None:
    """Draw where the true front runs: one end, then the other, that fills up to it."""
    line = {"width": 0, "shape": "vh"}
    edge = {"x": places, "mode": "lines", "line": line, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(edge | {"y": best, "showlegend": False}))
    fill = {"fill": "tonexty", "fillcolor": "rgba(0,114,178,0.16)", "name": "attained, 95 %"}
    figure.add_trace(go.Scatter(edge | {"y": worst} | fill))


def _trace(series: Series, x: Axis, y: Axis, ranked: RankedTrials) -> go.Scatter:
    return go.Scatter(
        x=[x.place(trial) for trial in series.trials],
        y=[y.place(trial) for trial in series.trials],
        mode="markers",
        name=series.label,
        marker={
            "color": series.colour,
            "symbol": series.symbol,
            "size": 1.4 * series.size,
            "line": {"width": 1.2, "color": "white" if series.filled else series.colour},
        },
        text=[_hover(trial, ranked.objectives) for trial in series.trials],
        hovertemplate="%{text}<extra></extra>",
    )


def _draw_baseline(figure: go.Figure, mark: BaselineMark, objectives: Sequence[Objective]) -> None:
    line = {"color": mark.colour, "width": 1.5, "dash": "dash"}
    if mark.x is not None:
        figure.add_vline(mark.x, line=line, layer="below")
    if mark.y is not None:
        figure.add_hline(mark.y, line=line, layer="below")
    if mark.x is not None and mark.y is not None:
        figure.add_trace(_trace_cross(mark, mark.x, mark.y, objectives))
    horizontal, vertical = mark.align
    figure.add_annotation(
        text=escape(mark.label),
        x=mark.at[0],
        xref="x domain" if mark.x is None else "x",
        xanchor="left" if horizontal > 0 else "right",
        xshift=1.4 * mark.shift[0],
        y=mark.at[1],
        yref="y domain" if mark.y is None else "y",
        yanchor="bottom" if vertical > 0 else "top",
        yshift=1.4 * mark.shift[1],
        textangle=-90 if mark.turned else 0,
        font={"color": mark.colour, "size": 12},
        showarrow=False,
    )


def _trace_cross(
    mark: BaselineMark, x: float, y: float, objectives: Sequence[Objective]
) -> go.Scatter:
    labels = {objective.name: objective.label for objective in objectives}
    values = [f"{labels.get(n, n)}: {v:.4g}" for n, v in (mark.baseline.metrics or {}).items()]
    return go.Scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": mark.colour},
        text=["<br>".join(map(escape, [mark.baseline.label, *values]))],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _trace_intervals(front: Sequence[RankedTrial], x: Axis, y: Axis) -> go.Scatter:
    """Draw the intervals of members as crosses."""

    def bars(axis: Axis) -> dict[str, object]:
        below, above = zip(*(axis.reach(trial) for trial in front), strict=True)
        style = {"color": INTERVAL, "thickness": 1, "width": 0}
        return {"type": "data", "symmetric": False, "arrayminus": below, "array": above} | style

    return go.Scatter(
        x=[x.place(trial) for trial in front],
        y=[y.place(trial) for trial in front],
        mode="markers",
        marker={"size": 0.1, "color": INTERVAL},
        error_x=bars(x),
        error_y=bars(y),
        name="95 % interval",
        hoverinfo="skip",
    )


def _trace_knee(knee: RankedTrial, x: Axis, y: Axis) -> go.Scatter:
    return go.Scatter(
        x=[x.place(knee)],
        y=[y.place(knee)],
        mode="markers",
        name=f"knee (trial {knee.number})",
        marker={
            "symbol": "circle-open",
            "size": 22,
            "color": KNEE,
            "line": {"width": 2.5, "color": KNEE},
        },
        hoverinfo="skip",
    )


def _hover(trial: RankedTrial, objectives: Sequence[Objective]) -> str:
    """Say number and standing, the objectives first, then what was sampled."""
    labels = {objective.name: objective.label for objective in objectives}
    values = {name: value for name, value in trial.values.items() if name not in labels}
    standing = "front" if trial.rank == 0 else f"rank {trial.rank}"
    kind = "control" if trial.control else "trial"
    blocks = [f"<b>{kind} {trial.number}</b> · {standing}"]
    if trial.chance is not None:
        blocks[0] += f", P(front) {trial.chance:.2f} · {trial.runs} run{'s' * (trial.runs > 1)}"
    blocks += [_estimate(trial, objective) for objective in objectives]
    blocks += [f"{escape(name)}: {value:.4g}" for name, value in values.items()]
    if trial.sampled:
        blocks += ["", *(f"{escape(name)} = {_text(v)}" for name, v in trial.sampled.items())]
    return "<br>".join(blocks)


def _estimate(trial: RankedTrial, objective: Objective) -> str:
    said = f"{escape(objective.label)}: {trial.values[objective.name]:.4g}"
    if objective.name not in trial.intervals:
        return said
    low, high = trial.intervals[objective.name]
    return f"{said} ({low:.4g} to {high:.4g}; mean over runs {trial.means[objective.name]:.4g})"


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def _lay_out(figure: go.Figure, ranked: RankedTrials, x: Axis, y: Axis) -> None:
    title, subtitle = titles(ranked)
    line = {"showgrid": True, "gridcolor": GRID, "zeroline": False, "linecolor": "#888888"}
    figure.update_layout(
        template="simple_white",
        font={"family": "system-ui, sans-serif", "size": 14, "color": INK},
        title={
            "text": f"<b>{escape(title)}</b>",
            "subtitle": {"text": escape(subtitle), "font": {"size": 14, "color": "#555555"}},
            "x": 0.02,
            "xanchor": "left",
        },
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "xref": "container",
            "x": 0.5,
            "xanchor": "center",
            "yref": "container",
            "y": 0.02,
            "yanchor": "bottom",
        },
        hoverlabel={
            "bgcolor": "white",
            "bordercolor": "#888888",
            "align": "left",
            "font": {"color": INK, "size": 13},
        },
        margin={"l": 80, "r": 30, "t": 90, "b": 110},
    )
    figure.update_xaxes(title_text=x.title, range=[x.low, x.high], nticks=8, **line)
    figure.update_yaxes(title_text=y.title, range=[y.low, y.high], nticks=8, **line)
    if not ranked.trials:
        figure.add_annotation(
            text="no finished trial yet",
            xref="paper",
            yref="paper",
            x=0.5,
            y=0.5,
            showarrow=False,
        )

"""Plan of a sweep for people: a line for each thing that a dry run has found out."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from objectives import InputError
from sweeps.cli.tables import describe_sampled, format_value
from sweeps.cli.terminal import OUT, print_json
from sweeps.search import SweepPlan

__all__ = ["duration", "plan_table", "show_plan", "size"]

_TOO_SMALL: Final = "too small"


def show_plan(plan: SweepPlan, *, as_json: bool) -> None:
    """Print a plan.

    Raises:
        InputError: Data are missing; all else is printed before.
    """
    if as_json:
        print_json(plan.document())
    else:
        OUT.print(plan_table(plan))
    if plan.forecast.missing is not None:
        raise InputError(plan.forecast.missing)


def plan_table(plan: SweepPlan) -> Table:
    """Tabulate a plan: what is trained, on what data, for how long, with how much memory."""
    title = f"{plan.sweep}: a dry run, nothing is trained"
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in _lines(plan):
        table.add_row(name, escape(text), style="yellow" if name == _TOO_SMALL else None)
    return table


def _lines(plan: SweepPlan) -> Iterator[tuple[str, str]]:
    forecast = plan.forecast
    controls = f"{plan.controls} control{'s' if plan.controls > 1 else ''}"
    runs = f"{plan.runs} training runs in all"
    yield "trials", f"{plan.trials} sampled ({plan.sampler}), and {controls}; {runs}"
    yield "baselines", ", ".join(plan.baselines) or "none"
    yield from _fact_lines("a trial", forecast.trial)
    yield from _fact_lines("data", forecast.data)
    yield "time", _time(plan)
    yield "memory", _memory(plan)
    gpu = plan.resources.gpu
    gpus = "what it needs of a GPU" if gpu == "auto" else f"{gpu:g} GPUs"
    held = f"a trial holds {plan.resources.cpu} CPUs and {gpus}"
    yield "machine", f"{plan.cpus} CPUs, {forecast.gpus} GPUs; {held}"
    if plan.lacking:
        yield _TOO_SMALL, "; ".join(plan.lacking)
    for each in plan.first:
        yield f"trial {each.number}", describe_sampled(each.sampled, control=each.control)


def _fact_lines(title: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the plain facts in one line, and those of each part in one of its own."""
    plain = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    if plain:
        yield title, _facts(plain)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield f"  {name}", _facts(value)


def _facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(_fact(name, value) for name, value in facts.items())


def _fact(name: str, value: Any) -> str:
    """Write a fact in words; the end of its name is its unit."""
    subject, _, unit = name.rpartition("_")
    if unit == "bytes":
        return f"{subject.replace('_', ' ')} {size(value)}"
    if unit == "seconds":
        return f"{subject.replace('_', ' ')} {duration(value)}"
    return f"{name.replace('_', ' ')} {_text(name, value)}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        return format_value(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", " ")
    return str(value)[:12] if name == "fingerprint" else str(value)


def _time(plan: SweepPlan) -> str:
    if plan.forecast.seconds is None:
        return f"not known: {plan.forecast.unknown}"
    a_trial = f"about {duration(plan.forecast.seconds)} a run"
    if plan.lacking:
        return f"{a_trial} on this machine, where none fits"
    if plan.seconds is None:
        return f"{a_trial} on this machine; how many fit at a time is not known here"
    once = f", and {duration(plan.forecast.once)} once" if plan.forecast.once else ""
    return f"{a_trial}, {plan.at_once} at a time{once}: about {duration(plan.seconds)}"


def _memory(plan: SweepPlan) -> str:
    if plan.forecast.memory is None:
        return f"not known: {plan.forecast.unknown}"
    a_trial = f"about {size(plan.forecast.memory)} a trial"
    if plan.at_once is None:
        return a_trial
    return f"{a_trial}, {size(plan.at_once * plan.forecast.memory)} at a time"


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.3g} seconds"


def size(count: int) -> str:
    """Write bytes in the unit that suits them."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"

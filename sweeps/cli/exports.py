"""Exports of trials, with what people are told of them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from objectives import InputError
from sweeps.cli.terminal import ERR, print_line, shown
from sweeps.files import write_output
from sweeps.home import Home, kept_seeds, run_file
from sweeps.results import (
    KNEE,
    RankedTrials,
    advice,
    is_judged,
    margins_of,
    pick_trial,
    ranked_trials,
    unproven,
    write_margins,
)
from sweeps.spec import workload_of
from sweeps.store import Store

__all__ = ["export_finished", "export_trial", "pick_limits"]

_NO_LIMITS: Final[Mapping[str, float]] = MappingProxyType({})


def pick_limits(
    store: Store, name: str, *, floor: float | None, ceiling: float | None
) -> dict[str, float]:
    """Return the limits of a pick by objective.

    Raises:
        InputError: There is no such sweep, or it has no objective of that direction, or two.
    """
    limits: dict[str, float] = {}
    objectives = store.sweep(name).objectives
    options = (("maximize", "floor", floor), ("minimize", "ceiling", ceiling))
    for direction, option, value in options:
        if value is None:
            continue
        named = [each.name for each in objectives if each.direction == direction]
        if len(named) != 1:
            raise InputError(f"{name} has {len(named)} objectives to {direction}", field=option)
        limits[named[0]] = value
    return limits


def export_trial(
    store: Store,
    name: str,
    output: Path,
    *,
    home: Home,
    pick: str,
    limits: Mapping[str, float] = _NO_LIMITS,
    force: bool = False,
) -> None:
    """Write the export of a trial, and beside it the weights that were kept; say which it is.

    Raises:
        InputError: The pick means no trial, noise explains what it gains, or the file cannot be
            written.
    """
    ranked = ranked_trials(store, name)
    chosen = pick_trial(ranked, pick, limits=limits)
    folder, measurements = home.kept(name), store.measurements(name)
    measured = {each.seed for each in measurements if each.number == chosen.number}
    seeds = [s for s in kept_seeds(folder, number=chosen.number) if s in measured]
    beside = output.with_name(f"{output.stem}-model.pt")
    document = margins_of(
        store.sweep(name),
        ranked,
        measurements,
        pick=pick,
        limits=limits,
        force=force,
        kept=(seeds[-1], beside.name) if seeds else None,
    )
    if seeds:
        model = run_file(folder, number=chosen.number, seed=seeds[-1]).read_bytes()
        write_output(beside, model, field="output")
    write_margins(document, output)
    print_line(f"{'yaml':>5}  {shown(output)}  (trial {chosen.number}, {pick}: {document})")
    rule = workload_of(store.sweep(name).spec).rules.control
    if seeds:
        print_line(f"{'pt':>5}  {shown(beside)}  (the model of seed {seeds[-1]})")
    if not chosen.control and not is_judged(ranked, chosen):
        ERR.print(
            f"note: no control was trained under the seeds of trial {chosen.number}, so nothing is "
            "known of what its margins gain; `sweeps confirm` finds it out"
        )
    if chosen.control and rule is not None:
        ERR.print(f"note: trial {chosen.number} is a control ({rule.label}){_why(ranked, pick)}")


def export_finished(store: Store, ranked: RankedTrials, output: Path, *, home: Home) -> None:
    """Write the export of a sweep's knee, or say why there is none: the sweep itself stands.

    Raises:
        InputError: The file cannot be written.
    """
    doubt = "no trial of the front keeps the limits of a pick"
    if (knee := ranked.knee_trial) is not None:
        why = unproven(ranked, knee)
        doubt = f"{why}; {advice(ranked)}" if why else ""
    if doubt:
        ERR.print(f"{output} was not written: {doubt}", highlight=False, markup=False)
        return
    export_trial(store, ranked.sweep, output, home=home, pick=KNEE)


def _why(ranked: RankedTrials, pick: str) -> str:
    """Return why a pick is a control, where it was not asked for by its number: a clause."""
    if pick.isdigit():
        return ""
    if any(not trial.control for trial in ranked.front):
        return ": of what keeps the floor it is the best; a lower --recall-floor lets in more"
    return ": no margins beat it here"

"""Exports of trials, with what people are told of them."""

from pathlib import Path

from sweeps.cli.terminal import ERR, print_line, shown
from sweeps.results import export_margins, pick_trial, ranked_trials, write_margins
from sweeps.spec import workload_of
from sweeps.store import Store

__all__ = ["export_trial"]


def export_trial(store: Store, name: str, output: Path, *, pick: str) -> None:
    """Write the export of a trial, and say which it is.

    Raises:
        InputError: The pick means no trial, or the file cannot be written.
    """
    document = export_margins(store, name, pick=pick)
    write_margins(document, output)
    chosen = pick_trial(ranked_trials(store, name), pick)
    print_line(f"{'yaml':>5}  {shown(output)}  (trial {chosen.number}, {pick}: {document})")
    rule = workload_of(store.sweep(name).spec).rules.control
    if chosen.control and rule is not None:
        ERR.print(
            f"note: trial {chosen.number} is a control ({rule.label}): no margins beat it here"
        )

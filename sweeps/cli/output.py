"""Output of the commands for people: fronts and finished sweeps."""

from typing import TYPE_CHECKING

from sweeps.cli.tables import front_table, pairs_table
from sweeps.cli.terminal import ERR, OUT, print_line, shown
from sweeps.results import RankedTrials, certainty, undertrained, unproven

if TYPE_CHECKING:
    from sweeps.execution import FinishedSweep  # imports Ray

__all__ = ["show_finished", "show_front"]


def show_front(ranked: RankedTrials, *, every_trial: bool = False) -> None:
    """Print the front, or all completed trials by rank, and how they stand to the baselines."""
    if not ranked.trials:
        print_line(f"{ranked.sweep}: no trial has completed")
        return
    OUT.print(front_table(ranked, width=OUT.width, every_trial=every_trial))
    if any(trial.number in ranked.pairs for trial in ranked.front):
        OUT.print(pairs_table(ranked))
    OUT.print(f"hypervolume {ranked.hypervolume:.4f}, measured on the validation classes")
    print_line(certainty(ranked) or "")
    for each in ranked.baselines:
        if each.reason is not None:
            print_line(f"{each.label}: not scored ({each.reason})", style="yellow")
    knee = ranked.knee_trial
    for sentence in (undertrained(ranked), knee and unproven(ranked, knee)):
        if sentence:
            print_line(sentence, style="yellow")


def show_finished(finished: "FinishedSweep") -> None:
    """Print what a sweep left: its front, and where the files are."""
    show_front(finished.ranked)
    for file in finished.files:
        print_line(f"{file.suffix[1:]:>5}  {shown(file)}")
    if finished.mirror_error:
        ERR.print(f"MLflow is not level with the store: {finished.mirror_error}")

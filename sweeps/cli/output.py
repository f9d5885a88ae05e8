"""Output of the commands for people: fronts and finished sweeps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweeps.cli.tables import confirmed_table, front_table, pairs_table
from sweeps.cli.terminal import ERR, OUT, print_line, shown
from sweeps.results import (
    RankedTrials,
    certainty,
    fronts_of_confirmed,
    undertrained,
    unproven,
    verdict_on,
)

if TYPE_CHECKING:
    from sweeps.execution import ConfirmedSweep, FinishedSweep  # import Ray

__all__ = ["show_confirmed", "show_finished", "show_front", "show_mirror_error"]


def show_front(ranked: RankedTrials, *, every_trial: bool = False) -> None:
    """Print the front, or all completed trials by rank, and how they stand to the baselines."""
    if not ranked.trials:
        print_line(f"{ranked.sweep}: no trial has completed")
        return
    OUT.print(front_table(ranked, width=OUT.width, every_trial=every_trial))
    _show_pairs(ranked, [trial.number for trial in ranked.front])
    OUT.print(f"hypervolume {ranked.hypervolume:.4f}, measured on the validation classes")
    print_line(certainty(ranked) or "")
    for each in ranked.baselines:
        if each.reason is not None:
            print_line(f"{each.label}: not scored ({each.reason})", style="yellow")
    knee = ranked.knee_trial
    for sentence in (undertrained(ranked), knee and unproven(ranked, knee)):
        if sentence:
            print_line(sentence, style="yellow")


def _show_pairs(ranked: RankedTrials, numbers: Sequence[int]) -> None:
    """Print what fresh seeds say of trials, on validation classes and on test classes."""
    for held, title in (
        (ranked.pairs, "against the same under fresh seeds, on validation classes"),
        (ranked.confirmed, "confirmed on the test classes, after training on all others"),
    ):
        shown_pairs = {number: held[number] for number in numbers if number in held}
        if shown_pairs:
            print_line(f"{title}: differences ± half their 95 % interval", style="italic")
            OUT.print(pairs_table(shown_pairs, ranked.objectives))
    if fronts := fronts_of_confirmed(ranked):
        low, high = fronts.hypervolumes
        print_line(
            f"the {len(fronts.values)} members that were confirmed, by their means on the test "
            f"classes: hypervolume {high:.4f} of those that no other dominates (optimistic), "
            f"{low:.4f} of those that dominate no other (pessimistic)",
            style="italic",
        )
        OUT.print(confirmed_table(fronts, ranked.objectives))


def show_confirmed(confirmed: "ConfirmedSweep") -> None:
    """Print what the test classes say of each trial that was confirmed, in a table and a line."""
    ranked = confirmed.ranked
    _show_pairs(ranked, confirmed.numbers)
    for number in confirmed.numbers:
        if number in ranked.confirmed:
            print_line(verdict_on(ranked, number))
    show_mirror_error(confirmed.ranked.sweep, confirmed.mirror_error)


def show_finished(finished: "FinishedSweep") -> None:
    """Print what a sweep left: its front, and where the files are."""
    show_front(finished.ranked)
    for file in finished.files:
        print_line(f"{file.suffix[1:]:>5}  {shown(file)}")
    show_mirror_error(finished.ranked.sweep, finished.mirror_error)


def show_mirror_error(sweep: str, error: str | None) -> None:
    """Say why MLflow is not level with the store, if it is not."""
    if error:
        ERR.print(
            f"MLflow is not level with the store: {error}; `sweeps replay {sweep}` brings it level"
        )

"""Live view of a running sweep in the terminal."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from objectives import Objective
from sweeps.cli.data_progress import DataProgress
from sweeps.cli.tables import describe_sampled, epochs_done, format_value, objective_heading
from sweeps.execution import RunningSweep, SweepCallback
from sweeps.results import SPLIT, RankedTrials, rank_trials
from sweeps.store import (
    BaselineRecord,
    MeasurementRecord,
    ReplicateRecord,
    Store,
    TrialRecord,
    TrialState,
)

__all__ = ["LiveProgress", "LiveView"]

# A run that was lost is run again.
_OPEN: Final = (TrialState.RUNNING, TrialState.LOST)
_REFRESH_SECONDS: Final = 0.5


class LiveView(SweepCallback):
    """Live view of whatever sweep it is handed to; as a context manager it cleans up at the end.

    Args:
        console: Where to show it.

    Attributes:
        started: Whether the sweep has begun, and is in the store.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ends = ExitStack()
        self._decoding = DataProgress(console)
        self.started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._decoding.close()
        self._ends.close()

    def on_data_progress(self, share: float) -> None:
        """Show how much of the data is decoded."""
        self._decoding.update(share)

    def on_sweep_start(self, sweep: RunningSweep) -> None:
        """Begin to show it."""
        self.started = True
        self._decoding.close()
        for note in sweep.notes:
            self._console.print(note, highlight=False, markup=False, soft_wrap=True)
        self._progress = self._ends.enter_context(
            LiveProgress(
                self._console,
                store=sweep.store,
                sweep=sweep.name,
                objectives=sweep.objectives,
                runs=sweep.runs,
            )
        )

    def on_baseline_event(self) -> None:
        """Show the baselines scored so far."""
        self._progress.refresh(force=True)

    def on_trial_event(self) -> None:
        """Show the present state, at most twice a second."""
        self._progress.refresh()

    def on_sweep_end(self) -> None:
        """Show the last state, and give the terminal back."""
        self._ends.close()


class LiveProgress:
    """Shows what the store holds of a running sweep.

    In a terminal a bar, what is running and the front so far; elsewhere a line for each finished
    run. Use it as a context manager.

    Args:
        console: Where to show it.
        store: The record; only read.
        sweep: Name of the sweep.
        objectives: Its two objectives.
        runs: Number of training runs, at most.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        console: Console,
        *,
        store: Store,
        sweep: str,
        objectives: tuple[Objective, Objective],
        runs: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._store = store
        self._sweep = sweep
        self._objectives = objectives
        self._clock = clock
        self._due = 0.0
        # Runs that had ended before: a sweep that is over can be confirmed.
        self._before = {
            (each.number, each.seed) for each in store.replicates(sweep) if each.state not in _OPEN
        }
        self._printed: set[tuple[int, int]] = set()
        self._baselines_printed = {each.number for each in self._baselines()}
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task(sweep, total=runs)
        self._live = Live(self._bar, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveProgress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.refresh(force=True)
        finally:
            self._live.stop()

    def refresh(self, *, force: bool = False) -> None:
        """Show the present state, at most twice a second unless forced."""
        now = self._clock()
        if now < self._due and not force:
            return
        self._due = now + _REFRESH_SECONDS
        trials = self._store.trials(self._sweep)
        measurements, baselines = self._store.measurements(self._sweep), self._baselines()
        replicates = self._store.replicates(self._sweep)
        of = {trial.number: trial for trial in trials}
        last = {(each.number, each.seed): each for each in measurements}
        ended = [each for each in replicates if each.state not in _OPEN]
        ended = [each for each in ended if (each.number, each.seed) not in self._before]
        self._bar.update(self._task, completed=len(ended))
        if self._live.is_started:
            ranked = rank_trials(self._sweep, self._objectives, trials, measurements)
            held = [Text(self._baseline_line(each), style="dim") for each in baselines]
            running = self._running(replicates, of, last)
            self._live.update(Group(self._bar, *held, running, _summary(ranked)), refresh=True)
        else:
            self._print_baselines(baselines)
            self._print_ended(ended, of, last)

    def _running(
        self,
        replicates: Sequence[ReplicateRecord],
        of: Mapping[int, TrialRecord],
        last: Mapping[tuple[int, int], MeasurementRecord],
    ) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), expand=True)
        for heading in ("trial", "seed", "epoch", *map(objective_heading, self._objectives)):
            table.add_column(heading, no_wrap=True, min_width=len(heading))
        table.add_column("sampled", no_wrap=True, overflow="ellipsis", ratio=1)
        for each in replicates:
            if each.state is TrialState.RUNNING:
                trial, measured = of[each.number], last.get((each.number, each.seed))
                table.add_row(
                    str(each.number),
                    str(each.seed),
                    epochs_done(trial, measured),
                    *self._values(measured),
                    escape(describe_sampled(trial.sampled, control=trial.control)),
                )
        return table

    def _baselines(self) -> tuple[BaselineRecord, ...]:
        return tuple(b for b in self._store.baselines(self._sweep) if b.split == SPLIT)

    def _baseline_line(self, baseline: BaselineRecord) -> str:
        if baseline.metrics is None:
            return f"{baseline.label} FAILED  {baseline.reason}"
        values = (f"{o.label} {format_value(baseline.metrics[o.name])}" for o in self._objectives)
        return "  ".join([baseline.label, *values])

    def _print_baselines(self, baselines: Sequence[BaselineRecord]) -> None:
        for each in baselines:
            if each.number not in self._baselines_printed:
                self._baselines_printed.add(each.number)
                line = f"baseline  {self._baseline_line(each)}"
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _values(self, measured: MeasurementRecord | None) -> list[str]:
        metrics = measured.metrics if measured else {}
        return [format_value(metrics.get(objective.name)) for objective in self._objectives]

    def _print_ended(
        self,
        ended: Sequence[ReplicateRecord],
        of: Mapping[int, TrialRecord],
        last: Mapping[tuple[int, int], MeasurementRecord],
    ) -> None:
        for each in ended:
            key, trial = (each.number, each.seed), of[each.number]
            if key not in self._printed:
                self._printed.add(key)
                values = zip(self._objectives, self._values(last.get(key)), strict=True)
                shown = "  ".join(f"{objective.label} {value}" for objective, value in values)
                again = "" if each.seed == trial.config.get("seed") else f" seed {each.seed}"
                self._console.print(
                    f"trial {each.number}{again} {each.state.value}  {each.reason or shown}  "
                    f"{describe_sampled(trial.sampled, control=trial.control)}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )


def _summary(ranked: RankedTrials) -> Text:
    if not ranked.trials:
        return Text("no trial has finished yet", style="dim")
    parts = []
    for objective in ranked.objectives:
        best = min(ranked.trials, key=lambda trial: objective.sign * trial.values[objective.name])
        value = format_value(best.values[objective.name])
        parts.append(f"best {objective.label} {value} (trial {best.number})")
    parts.append(f"front: {len(ranked.front)} trials, hypervolume {ranked.hypervolume:.4f}")
    return Text("  ·  ".join(parts))

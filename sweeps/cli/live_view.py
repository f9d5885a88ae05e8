"""Live view of a running sweep in the terminal."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

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
from sweeps.results import SPLIT, RankedTrials, final_measurements, rank_trials
from sweeps.store import BaselineRecord, MeasurementRecord, Store, TrialRecord, TrialState

__all__ = ["LiveProgress", "LiveView"]

_REFRESH_SECONDS = 0.5


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
                total=sweep.total,
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

    In a terminal a bar, the running trials and the front so far; elsewhere a line for each
    finished trial. Use it as a context manager.

    Args:
        console: Where to show it.
        store: The record; only read.
        sweep: Name of the sweep.
        objectives: Its two objectives.
        total: Number of trials, controls included.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        console: Console,
        *,
        store: Store,
        sweep: str,
        objectives: tuple[Objective, Objective],
        total: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._store = store
        self._sweep = sweep
        self._objectives = objectives
        self._clock = clock
        self._due = 0.0
        self._printed: set[int] = set()
        self._baselines_printed: set[int] = set()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task(sweep, total=total)
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
        last = {number: held[-1] for number, held in final_measurements(measurements).items()}
        ended = [trial for trial in trials if trial.state is not TrialState.RUNNING]
        self._bar.update(self._task, completed=len(ended))
        if self._live.is_started:
            ranked = rank_trials(self._sweep, self._objectives, trials, measurements)
            held = [Text(self._baseline_line(each), style="dim") for each in baselines]
            running = self._running(trials, last)
            self._live.update(Group(self._bar, *held, running, _summary(ranked)), refresh=True)
        else:
            self._print_baselines(baselines)
            self._print_ended(ended, last)

    def _running(
        self, trials: Sequence[TrialRecord], last: Mapping[int, MeasurementRecord]
    ) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), expand=True)
        for heading in ("trial", "epoch", *map(objective_heading, self._objectives)):
            table.add_column(heading, no_wrap=True, min_width=len(heading))
        table.add_column("sampled", no_wrap=True, overflow="ellipsis", ratio=1)
        for trial in trials:
            if trial.state is TrialState.RUNNING:
                measured = last.get(trial.number)
                table.add_row(
                    str(trial.number),
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
        self, ended: Sequence[TrialRecord], last: Mapping[int, MeasurementRecord]
    ) -> None:
        for trial in ended:
            if trial.number not in self._printed:
                self._printed.add(trial.number)
                values = zip(self._objectives, self._values(last.get(trial.number)), strict=True)
                shown = "  ".join(f"{objective.label} {value}" for objective, value in values)
                self._console.print(
                    f"trial {trial.number} {trial.state.value}  {trial.reason or shown}  "
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

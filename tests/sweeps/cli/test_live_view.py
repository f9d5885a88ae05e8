from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from objectives import get_objective
from sweeps.cli.live_view import LiveProgress, LiveView
from sweeps.execution import RunningSweep
from sweeps.store import Store, TrialState

PAIR = (get_objective("recall_at_1"), get_objective("opis"))


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'sweeps.db'}")
    opened.create_sweep("demo", spec={}, provenance={})
    yield opened
    opened.close()


def begin(store: Store, number: int, *, control: bool = False) -> None:
    sampled = {"margin_positive": 0.6 + number / 100}
    config = {**sampled, "seed": 0}
    store.add_trial("demo", number, config=config, sampled=sampled, control=control, last_epoch=2)
    store.add_replicate("demo", number, seed=0)


def finish(store: Store, number: int, state: TrialState, reason: str | None = None) -> None:
    store.finish_replicate("demo", number, seed=0, state=state, reason=reason)
    store.finish_trial("demo", number, state, reason)


def end(store: Store, number: int, recall: float, opis: float) -> None:
    metrics = {"recall_at_1": recall, "opis": opis}
    store.record_measurement("demo", number, epoch=2, seed=0, split="validation", metrics=metrics)
    finish(store, number, TrialState.COMPLETE)


def progress(
    store: Store, *, terminal: bool, clock: Clock | None = None
) -> tuple[LiveProgress, StringIO]:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=160, height=40, color_system=None)
    live = LiveProgress(
        console, store=store, sweep="demo", objectives=PAIR, runs=3, clock=clock or Clock()
    )
    return live, out


def test_without_a_terminal_each_trial_is_a_line_once(store: Store) -> None:
    live, out = progress(store, terminal=False)
    begin(store, 0, control=True)
    begin(store, 1)
    with live:
        live.refresh(force=True)
        assert out.getvalue() == ""
        end(store, 0, 0.875, 0.0123456)
        live.refresh(force=True)
        live.refresh(force=True)
        finish(store, 1, TrialState.FAILED, "not finite [/x]")
    assert out.getvalue().splitlines() == [
        "trial 0 COMPLETE  Recall@1 0.875  OPIS 0.01235  (control) margin_positive=0.6",
        "trial 1 FAILED  not finite [/x]  margin_positive=0.61",
    ]


def test_baselines_are_shown_once_each(store: Store) -> None:
    metrics = {"recall_at_1": 0.25, "opis": 0.125}
    live, out = progress(store, terminal=False)
    store.record_baseline("demo", 0, name="a", label="raw", split="validation", metrics=metrics)
    store.record_baseline("demo", 0, name="a", label="raw", split="test", metrics=metrics)
    store.record_baseline(
        "demo", 1, name="b", label="trunk", split="validation", metrics=None, reason="no [weights]"
    )
    with live:
        live.refresh(force=True)
    assert out.getvalue().splitlines() == [
        "baseline  raw  Recall@1 0.25  OPIS 0.125",
        "baseline  trunk FAILED  no [weights]",
    ]
    live, out = progress(store, terminal=True)
    with live:
        live.refresh(force=True)
    assert "raw  Recall@1 0.25  OPIS 0.125" in out.getvalue()


def _after(tell: Callable[[float], None], share: float) -> KeyboardInterrupt:
    tell(share)
    return KeyboardInterrupt()


def test_the_view_gives_the_terminal_back_when_decoding_breaks() -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    view = LiveView(console)
    with pytest.raises(KeyboardInterrupt), view:
        raise _after(view.on_data_progress, 0.5)
    assert "decoding the data" in out.getvalue()
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1


def test_it_looks_at_most_twice_a_second(store: Store) -> None:
    clock = Clock()
    live, out = progress(store, terminal=False, clock=clock)
    live.refresh()
    begin(store, 0)
    end(store, 0, 0.5, 0.1)
    clock.now += 0.49
    live.refresh()
    assert out.getvalue() == ""
    clock.now += 0.02
    live.refresh()
    assert out.getvalue().startswith("trial 0 COMPLETE")


def test_in_a_terminal_it_shows_the_bar_the_running_trials_and_the_front(store: Store) -> None:
    live, out = progress(store, terminal=True)
    begin(store, 0)
    begin(store, 1)
    with live:
        live.refresh(force=True)
        assert "no trial has finished yet" in out.getvalue()
        end(store, 0, 0.875, 0.01)
        metrics = {"recall_at_1": 0.5, "opis": 0.2}
        store.record_measurement("demo", 1, epoch=1, seed=0, split="validation", metrics=metrics)
        live.refresh(force=True)
    shown = out.getvalue()
    assert "1/3 runs" in shown
    assert "best Recall@1 0.875 (trial 0)" in shown
    assert "best OPIS 0.01 (trial 0)" in shown
    assert "front: 1 trials, hypervolume 0.2100" in shown
    [running] = {line.strip() for line in shown.splitlines() if "1/2" in line}
    assert running.split() == ["1", "0", "1/2", "0.5", "0.2", "margin_positive=0.61"]


def test_what_runs_is_no_markup(store: Store) -> None:
    live, out = progress(store, terminal=True)
    sampled = {"weights": "[/x].pt"}
    store.add_trial("demo", 0, config=sampled, sampled=sampled, control=False, last_epoch=2)
    store.add_replicate("demo", 0, seed=0)
    with live:
        live.refresh(force=True)
    assert "weights=[/x].pt" in out.getvalue()


def test_it_gives_the_cursor_back_when_the_sweep_breaks(store: Store) -> None:
    live, out = progress(store, terminal=True)
    with pytest.raises(KeyboardInterrupt), live:
        raise KeyboardInterrupt
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1


def test_notes_on_the_sweep_come_first(store: Store) -> None:
    out = StringIO()
    notes = ("a [note]", "another")
    with LiveView(Console(file=out, force_terminal=False)) as view:
        view.on_sweep_start(
            RunningSweep(name="demo", store=store, objectives=PAIR, total=3, runs=3, notes=notes)
        )
        begin(store, 0)
        end(store, 0, 0.5, 0.1)
        view.on_sweep_end()
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["a [note]", "another"]
    assert lines[2].startswith("trial 0 COMPLETE")

from io import StringIO

from rich.console import Console

from sweeps.cli.data_progress import DataProgress


def told(*shares: float, terminal: bool = False) -> str:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, color_system=None)
    progress = DataProgress(console)
    for share in shares:
        progress.update(share)
    progress.close()
    progress.close()
    return out.getvalue()


def test_without_a_terminal_every_tenth_is_a_line() -> None:
    shares = [number / 100 for number in range(1, 101)]
    assert told(*shares).splitlines() == [
        f"decoding the data: {tenth} %" for tenth in range(10, 101, 10)
    ]
    assert told(0.01, 0.35, 0.36, 1.0).splitlines() == [
        "decoding the data: 30 %",
        "decoding the data: 100 %",
    ]


def test_what_is_there_at_once_is_not_told() -> None:
    assert told(1.0) == ""
    assert "decoding" not in told(1.0, terminal=True)


def test_in_a_terminal_there_is_a_bar_and_then_none() -> None:
    shown = told(0.25, 0.5, 1.0, terminal=True)
    assert "decoding the data" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1

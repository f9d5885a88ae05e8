"""Progress of decoding the data, before a sweep starts."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["DataProgress"]


class DataProgress:
    """Shows how much of the data is decoded: a bar in a terminal, elsewhere a line every tenth.

    Nothing is shown where all of it is there at once.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tenths = 0
        self._bar = Progress(
            TextColumn("[bold]decoding the data"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1.0)

    def update(self, share: float) -> None:
        """Show that this share is decoded, in (0, 1]."""
        if self._console.is_terminal:
            self._draw(share)
        elif int(share * 10) > self._tenths and not (share == 1 and self._tenths == 0):
            self._tenths = int(share * 10)
            self._console.print(f"decoding the data: {10 * self._tenths} %", highlight=False)

    def close(self) -> None:
        """Give the terminal back; more than once does no harm."""
        if self._bar.live.is_started:
            self._bar.stop()

    def _draw(self, share: float) -> None:
        if share < 1:
            self._bar.start()
        self._bar.update(self._task, completed=share)
        if share >= 1:
            self.close()

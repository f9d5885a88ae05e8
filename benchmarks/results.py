"""Timing side by side, and one table for all benchmarks."""

import argparse
import gc
import json
import os
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

__all__ = [
    "Comparison",
    "arguments",
    "peak_memory",
    "publish",
    "resident",
    "time_each",
    "write_figures",
]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure of ours beside one of another way to do the same work.

    Attributes:
        work: What was done, with its sizes.
        ours: Our figure, in ``unit``.
        peer: The other way.
        theirs: Its figure.
        bar: The largest ratio that is good enough, None where there is none.
        unit: ``s`` or ``MiB``.
    """

    work: str
    ours: float
    peer: str
    theirs: float
    bar: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Ours over theirs: the smaller, the better."""
        return self.ours / self.theirs


def time_each(
    works: Mapping[str, Callable[[], object]], *, rounds: int = 5, warm: bool = True
) -> dict[str, float]:
    """Return the least seconds that each took.

    Each is done once beforehand, if `warm`; then they take turns, so that what else the machine
    does meets all.
    """
    for work in works.values() if warm else ():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - started)
    return {name: min(taken) for name, taken in seconds.items()}


def peak_memory(work: Callable[[], object], device: torch.device) -> float:
    """Return the MiB held at most while the work is done, beyond those held before.

    On a GPU what torch's allocator holds, else the resident set, by what Linux says of it. What a
    process once took it may keep, so a second figure wants a fresh process.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - allocated) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that from now on
    before = resident("VmRSS")
    work()
    return resident("VmHWM") - before


def resident(field: str) -> float:
    """Return the MiB of this process that Linux gives for a field, such as ``VmRSS``."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    return int(found[1]) / 2**10 if found else float("nan")


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark: ``--json FILE``, ``--threads N``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), metavar="N", help="threads of torch"
    )
    return parser


def publish(title: str, comparisons: Sequence[Comparison], *, file: Path | None) -> None:
    """Print the figures as a table, and write them as JSON where a file is given."""
    table = Table(title=title, title_justify="left")
    for heading in ("work", "ours", "peer", "theirs", "ratio", "bar"):
        table.add_column(heading, justify="left" if heading in ("work", "peer") else "right")
    for row in comparisons:
        table.add_row(
            row.work,
            f"{row.ours:.3g} {row.unit}",
            row.peer,
            f"{row.theirs:.3g} {row.unit}",
            f"{row.ratio:.3g}",
            "" if row.bar is None else f"{row.bar:.3g}",
        )
    Console(width=140).print(table)
    if file is not None:
        rows = [asdict(row) | {"ratio": row.ratio} for row in comparisons]
        write_figures(file, title, {"comparisons": rows})


def write_figures(file: Path, title: str, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON, under a title and with the machine that they are from."""
    document = {"title": title, "machine": _machine(), **figures}
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "python": platform.python_version(),
        "torch": version("torch"),
    }

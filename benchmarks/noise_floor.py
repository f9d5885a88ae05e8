"""Bias and coverage of OPIS, and of OPIS less its noise floor, where the truth is known.

``python -m benchmarks.noise_floor [--json FILE] [--threads N] [--rounds R] [--kinds NAME ...]``

Each round draws 100 classes and n samples of each, and scores them. A class is Gaussian around a
random unit vector in 32 dimensions; its width, over the root of the dimension, is that of all
classes (so they are alike by construction), or lies evenly between 0.4 and 1.6 times as much. The
truth is the same of 200 samples each, their widths evenly spaced, as a mean over draws. Beside ours
stands a plainer floor: the mean over classes of slope^2 V, the slope dU/dsens taken half at the
class's own sensitivity and half at the mean.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.results import arguments, write_figures
from objectives import Score, bootstrap_intervals, score_embeddings
from objectives.consistency import mean_over_range
from objectives.mean_interval import mean_interval
from objectives.pairwise import Classes, sampling_variance

_DIM: Final = 32
_CLASSES: Final = 100
_SAMPLES: Final = (2, 3, 4, 5, 6, 10, 20, 50)
# The bars: of the bias where classes are alike, as a share of OPIS; of the coverage.
_BIAS: Final = 0.10
_COVERAGE: Final = 0.93


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of classes: their mean width, and how far widths lie from it, as a share of it."""

    width: float
    spread: float = 0.0

    def draw(self, places: Tensor, samples: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return embeddings and labels of classes at these places, in [0, 1], among the widths."""
        generator = torch.Generator().manual_seed(seed)
        widths = self.width * (1 + self.spread * (2 * places - 1))
        centres = torch.randn(len(places), 1, _DIM, generator=generator)
        noise = torch.randn(len(places), samples, _DIM, generator=generator)
        embeddings = torch.nn.functional.normalize(centres, dim=2)
        embeddings = embeddings + widths[:, None, None] / math.sqrt(_DIM) * noise
        return embeddings.flatten(0, 1), torch.arange(len(places)).repeat_interleave(samples)

    def truth(self, samples: int = 200, draws: int = 8) -> float:
        """Return OPIS of many samples a class, less what floor is left, as a mean over draws."""
        places = (torch.arange(_CLASSES) + 0.5) / _CLASSES
        scores = (score_embeddings(*self.draw(places, samples, seed)) for seed in range(draws))
        return math.fsum(score.opis_corrected for score in scores) / draws

    def once(self, samples: int, seed: int) -> "Round":
        """Draw classes and samples once, and score them."""
        places = torch.rand(_CLASSES, generator=torch.Generator().manual_seed(seed))
        embeddings, labels = self.draw(places, samples, seed + 1)
        score = score_embeddings(embeddings, labels)
        intervals = bootstrap_intervals(score, resamples=400)
        slopes, between = _by_slopes(score, embeddings, labels)
        return Round(
            opis=score.opis,
            corrected=score.opis_corrected,
            by_slopes=slopes,
            intervals=(intervals["opis"], intervals["opis_corrected"], between),
        )


@dataclass(frozen=True, kw_only=True)
class Round:
    """OPIS of one draw, ours and the plainer one corrected, and the intervals of the three."""

    opis: float
    corrected: float
    by_slopes: float
    intervals: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Figures over the rounds of one kind of classes with so many samples; NaN where there is none.

    OPIS is in thousandths; a bias is a share of the plain mean; a coverage that of 95 % intervals.
    """

    kind: str
    samples: int
    truth: float
    opis: float
    corrected: float
    bias: float
    coverage_of_opis: float
    coverage: float
    by_slopes: float
    coverage_by_slopes: float

    def plain(self) -> dict[str, str | float | None]:
        """Return it as JSON has it."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }

    @property
    def missed(self) -> str:
        """Names of the bars that it misses."""
        bars = {
            "bias": self.kind.endswith(" alike") and abs(self.bias) > _BIAS,
            "coverage": self.coverage < _COVERAGE,
        }
        return ", ".join(name for name, missed in bars.items() if missed)


_KINDS: Final = {
    "tight, alike": Kind(width=0.8),
    "middling, alike": Kind(width=1.0),
    "loose, alike": Kind(width=1.3),
    "tight, unlike": Kind(width=0.8, spread=0.6),
    "middling, unlike": Kind(width=1.0, spread=0.6),
    "loose, unlike": Kind(width=1.3, spread=0.6),
}


def _by_slopes(
    score: Score, embeddings: Tensor, labels: Tensor
) -> tuple[float, tuple[float, float]]:
    """Return OPIS less the mean of slope^2 V, and its interval over classes."""
    variance = sampling_variance(embeddings, Classes.of(labels), score.thresholds, least=4)
    spec, sens = 1 - score.far, 1 - score.frr
    own, pooled = (2 * (p / (p + s)).square() for p, s in ((spec, sens), _mean(spec, sens)))
    floor = ((own + pooled) / 2).square() * variance * (1 - 1 / len(sens))
    parts = mean_over_range((score.utility - score.centre).square() - floor, score.thresholds)
    return float(parts.mean()), mean_interval(parts, 0.95)


def _mean(*rates: Tensor) -> tuple[Tensor, ...]:
    return tuple(rate.mean(0) for rate in rates)


def measure(kind: str, samples: int, truth: float, rounds: Sequence[Round]) -> Row:
    """Return the figures of the rounds."""
    opis, corrected, by_slopes = (
        float(np.mean([getattr(one, name) for one in rounds]))
        for name in ("opis", "corrected", "by_slopes")
    )
    ends = np.array([one.intervals for one in rounds])
    held = ((ends[..., 0] <= truth) & (truth <= ends[..., 1])).mean(0)
    held[np.isnan(ends[..., 0]).all(0)] = np.nan
    return Row(
        kind=kind,
        samples=samples,
        truth=1e3 * truth,
        opis=1e3 * opis,
        corrected=1e3 * corrected,
        bias=(corrected - truth) / opis,
        coverage_of_opis=float(held[0]),
        coverage=float(held[1]),
        by_slopes=1e3 * by_slopes,
        coverage_by_slopes=float(held[2]),
    )


def table(rows: Sequence[Row]) -> Table:
    """Tabulate the figures."""
    made = Table(title="Noise floor of OPIS (OPIS in thousandths)", title_justify="left")
    made.add_column("classes")
    for heading in (
        *("n", "truth", "OPIS", "its coverage", "corrected", "bias / OPIS", "coverage"),
        *("by slopes", "coverage", "missed"),
    ):
        made.add_column(heading, justify="right")
    for row in rows:
        cells = (
            *(f"{row.truth:.2f}", f"{row.opis:.2f}", f"{row.coverage_of_opis:.2f}"),
            *(f"{row.corrected:.2f}", f"{row.bias:.3f}", f"{row.coverage:.3f}"),
            *(f"{row.by_slopes:.2f}", f"{row.coverage_by_slopes:.3f}", row.missed),
        )
        shown = ("-" if cell == "nan" else cell for cell in cells)
        made.add_row(row.kind, str(row.samples), *shown)
    return made


def _one_thread() -> None:
    torch.set_num_threads(1)


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=100, metavar="R", help="draws of each")
    parser.add_argument("--kinds", nargs="+", choices=list(_KINDS), default=list(_KINDS))
    chosen = parser.parse_args()
    rows = []
    pool = ProcessPoolExecutor(
        chosen.threads, mp_context=get_context("spawn"), initializer=_one_thread
    )
    with pool:
        for name in chosen.kinds:
            kind = _KINDS[name]
            truth = pool.submit(kind.truth).result()
            for samples in _SAMPLES:
                seeds = [7919 * number for number in range(chosen.rounds)]
                rounds = list(pool.map(partial(kind.once, samples), seeds, chunksize=4))
                rows.append(measure(name, samples, truth, rounds))
    Console(width=140).print(table(rows))
    if chosen.json is not None:
        figures = {"rounds": chosen.rounds, "rows": [row.plain() for row in rows]}
        write_figures(chosen.json, "Noise floor of OPIS", figures)


if __name__ == "__main__":
    main()

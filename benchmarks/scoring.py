"""Scoring beside the bare matrix product, and beside what others take for Recall@1 alone.

``python -m benchmarks.scoring [--json FILE] [--threads N] [--sets small sop inat layouts]``

The bare product is ``X @ X.T`` in float32, in tiles of 1 024 x 1 024 (8 192 x 8 192 on a GPU) that
overwrite each other: on a CPU the quickest of the tilings tried. Ours is everything that
`score_embeddings` returns: Recall@1 to @16, MAP@R, the calibration range, utility curves, OPIS and
10%-OPIS; once more with bootstrap intervals. ``layouts`` are sets of few large classes and of many
small ones, from random embeddings to nearly perfect ones, beside the bare product alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import faiss
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from torch import Tensor

from benchmarks.layouts import LAYOUTS, QUALITIES, Layout
from benchmarks.results import Comparison, arguments, peak_memory, publish, time_each
from objectives import bootstrap_intervals, score_embeddings


@dataclass(frozen=True, kw_only=True)
class _Set:
    """Sizes of a set of embeddings, and the bars on it."""

    samples: int
    classes: int
    device: str = "cpu"
    bar: float = 1.0
    memory: float | None = None
    rounds: int = 5
    dim: int = 512

    def __str__(self) -> str:
        text = f"{self.samples:,} x {self.dim}, {self.classes:,} classes"
        return re.sub(r"(?<=\d),(?=\d)", " ", text)

    def make(self) -> tuple[Tensor, Tensor]:
        """Gaussian classes of different widths, in ten clusters."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(self.classes, (self.samples,), generator=generator)
        centres = torch.randn(self.classes, self.dim, generator=generator)
        clusters = torch.randn(10, self.dim, generator=generator)
        centres += 0.7 * clusters[torch.arange(self.classes) % 10]
        widths = 0.6 + 1.2 * torch.rand(self.classes, 1, generator=generator)
        noise = torch.randn(self.samples, self.dim, generator=generator)
        embeddings = noise.mul_(widths[labels]).add_(centres[labels])
        return torch.nn.functional.normalize(embeddings).to(self.device), labels.to(self.device)


_SETS: Final = {
    "small": _Set(samples=20_000, classes=4_000),
    "sop": _Set(samples=60_502, classes=11_316, memory=1024, rounds=2),
    "inat": _Set(samples=136_093, classes=2_452, device="cuda", bar=2.0, rounds=3),
}


def compare(which: _Set) -> list[Comparison]:
    """Measure one set."""
    embeddings, labels = which.make()
    score_embeddings(embeddings[:3000], labels[:3000])  # compiles
    extra = peak_memory(lambda: score_embeddings(embeddings, labels), embeddings.device)
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: score_embeddings(embeddings, labels),
        "with intervals": lambda: bootstrap_intervals(score_embeddings(embeddings, labels)),
        "bare X @ X.T": lambda: _product(embeddings),
    }
    if which.device == "cpu":
        works["faiss, R@1 alone"] = lambda: _faiss(embeddings, labels)
        works["pytorch-metric-learning, R@1 alone"] = lambda: _calculator(embeddings, labels)
    seconds = time_each(works, rounds=which.rounds, warm=False)
    bars = {"bare X @ X.T": which.bar}
    rows = [
        Comparison(
            work=str(which),
            ours=seconds["ours"],
            peer=peer,
            theirs=taken,
            bar=bars.get(peer, 1.0),
        )
        for peer, taken in seconds.items()
        if peer not in ("ours", "with intervals")
    ]
    rows.append(
        Comparison(
            work=f"{which}, and intervals",
            ours=seconds["with intervals"],
            peer="bare X @ X.T",
            theirs=seconds["bare X @ X.T"],
        )
    )
    held = which.memory or embeddings.numel() * embeddings.element_size() / 2**20
    rows.append(
        Comparison(
            work=f"{which}, peak extra memory",
            ours=extra,
            peer="bar" if which.memory else "the embeddings",
            theirs=held,
            bar=1.0 if which.memory else None,
            unit="MiB",
        )
    )
    return rows


def compare_layout(layout: Layout, quality: str) -> Comparison:
    """Measure a layout of classes beside the bare product: rounds in turn, the middle ratio."""
    embeddings, labels = layout.make(quality)
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: score_embeddings(embeddings, labels),
        "bare": lambda: _product(embeddings),
    }
    rounds = [time_each(works, rounds=1, warm=False) for _ in range(3)]
    middle = sorted(rounds, key=lambda seconds: seconds["ours"] / seconds["bare"])[1]
    return Comparison(
        work=f"{layout.name}, {quality}",
        ours=middle["ours"],
        peer="bare X @ X.T",
        theirs=middle["bare"],
        bar=2.0,
    )


def _compare_layouts() -> list[Comparison]:
    for layout in (LAYOUTS[0], LAYOUTS[5]):
        embeddings, labels = layout.make("random")
        score_embeddings(embeddings[:3000], labels[:3000])  # compiles
    return [compare_layout(layout, quality) for layout in LAYOUTS for quality in QUALITIES]


def _product(embeddings: Tensor) -> None:
    side = 1024 if embeddings.device.type == "cpu" else 8192
    buffer = torch.empty(side * side, device=embeddings.device)
    blocks = embeddings.split(side)
    for rows in blocks:
        for columns in blocks:
            tile = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.mm(rows, columns.T, out=tile)


def _faiss(embeddings: Tensor, labels: Tensor) -> float:
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings.numpy())
    neighbours = torch.from_numpy(index.search(embeddings.numpy(), 2)[1])
    itself = neighbours[:, 0] == torch.arange(len(labels))
    nearest = torch.where(itself, neighbours[:, 1], neighbours[:, 0])
    return float((labels[nearest] == labels).double().mean())


def _calculator(embeddings: Tensor, labels: Tensor) -> float:
    calculator = AccuracyCalculator(include=("precision_at_1",), k=1)
    return float(calculator.get_accuracy(embeddings, labels)["precision_at_1"])


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "")
    names = [*_SETS, "layouts"]
    parser.add_argument("--sets", nargs="+", choices=names, default=names)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    faiss.omp_set_num_threads(chosen.threads)
    rows: list[Comparison] = []
    for name in chosen.sets:
        if name == "layouts":
            rows += _compare_layouts()
        elif _SETS[name].device == "cuda" and not torch.cuda.is_available():
            print(f"{name} ({_SETS[name]}): not run, for there is no GPU")
        else:
            rows += compare(_SETS[name])
    publish("Scoring", rows, file=chosen.json)


if __name__ == "__main__":
    main()

"""Our losses beside pytorch-metric-learning's, and beside a training step.

Seconds are those of a forward and a backward pass together, the best of several turns. Memory is
the most bytes that the tensors of such a pass hold at once, beside the embeddings and labels: every
storage that an operation returns is counted until it is freed. What operations allocate within
themselves is not seen, in ours and theirs alike.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from pytorch_metric_learning import losses as peers
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from benchmarks.results import Comparison, arguments, publish, time_each
from trainer import Embedder, TrialConfig
from trainer.losses import RecallAtKLoss, SmoothAPLoss, TCMLoss

BATCH, DIM, PER_CLASS = 384, 512, 4
REPEATS: Final = 10
DEMO: Final = Path(__file__).parents[1] / "examples" / "demo.yaml"
PEER: Final = f"pytorch-metric-learning {version('pytorch-metric-learning')}"


def batch(size: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return embeddings and labels of a young model: TCM finds most positives hard, no negative.

    The peer takes several times longer where many negatives are hard; ours does not.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(size) // PER_CLASS
    centres = torch.randn(size // PER_CLASS, dim, generator=generator)
    noise = 0.5 * torch.randn(size, dim, generator=generator)
    return (centres[labels] + noise).requires_grad_(), labels


def both_passes(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Callable[[], None]:
    """Return what works out the loss and its gradient."""

    def work() -> None:
        embeddings.grad = None
        loss(embeddings, labels).backward()

    return work


def repeated(work: Callable[[], None]) -> Callable[[], None]:
    """Return what does the work several times."""

    def turn() -> None:
        for _ in range(REPEATS):
            work()

    return turn


class _Held(TorchDispatchMode):
    """Counts the bytes of the storages that operations return, until they are freed."""

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes: int = 0
        self.peak: int = 0
        self._seen = WeakIdKeyDictionary(ref_type=weakref.ref)
        for tensor in known:
            self._seen[tensor.untyped_storage()] = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        if storage not in self._seen:
            self._seen[storage] = None
            self._add(storage.nbytes())
            weakref.finalize(storage, self._add, -storage.nbytes())

    def _add(self, change: int) -> None:
        self.bytes += change
        self.peak = max(self.peak, self.bytes)


def peak_mib(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> float:
    """Return the memory of both passes, in MiB."""
    work = both_passes(loss, embeddings, labels)
    work()
    embeddings.grad = None
    with _Held((embeddings, labels)) as held:
        work()
    peak: int = held.peak
    return peak / 2**20


def against_peers() -> list[Comparison]:
    """Compare Smooth-AP and TCM with pytorch-metric-learning's, and Recall@k with Smooth-AP."""
    embeddings, labels = batch(BATCH, DIM)
    losses = {
        "smooth_ap": SmoothAPLoss(),
        "its smooth_ap": peers.SmoothAPLoss(),
        "tcm": TCMLoss(margin_positive=0.9, margin_negative=0.5),
        "its tcm": peers.ThresholdConsistentMarginLoss(),
        "recall_at_k": RecallAtKLoss(),
        "recall_at_k, mix-up": RecallAtKLoss(mixup=True),
    }
    works = {name: both_passes(loss, embeddings, labels) for name, loss in losses.items()}
    # Ours take milliseconds, the others seconds: a turn of ours is ten passes in a row.
    ours = {name: repeated(work) for name, work in works.items() if not name.startswith("its")}
    seconds = time_each(works | ours, rounds=5)
    seconds |= {name: seconds[name] / REPEATS for name in ours}
    memory = {
        name: peak_mib(losses[name], embeddings, labels)
        for name in ("tcm", "its tcm", "smooth_ap", "its smooth_ap")
    }
    size = f"B = {BATCH}, D = {DIM}, {PER_CLASS} per class"
    rows = [
        Comparison(
            work=f"{name}, {size}",
            ours=seconds[name],
            peer=PEER,
            theirs=seconds[f"its {name}"],
            bar=bar,
        )
        for name, bar in (("smooth_ap", 1 / 300), ("tcm", 1 / 100))
    ]
    rows += [
        Comparison(
            work=f"{name}, memory",
            ours=memory[name],
            peer=PEER,
            theirs=memory[f"its {name}"],
            bar=bar,
            unit="MiB",
        )
        for name, bar in (("smooth_ap", None), ("tcm", 1 / 50))
    ]
    rows += [
        Comparison(work=name, ours=seconds[name], peer="our smooth_ap", theirs=seconds["smooth_ap"])
        for name in ("recall_at_k", "recall_at_k, mix-up")
    ]
    return rows


def against_a_step() -> Comparison:
    """Compare TCM with a training step of the demo's backbone, without reading or augmenting."""
    trial = yaml.safe_load(DEMO.read_text(encoding="utf-8"))["trial"]
    config = TrialConfig.model_validate(trial | {"batch_size": 128})
    torch.manual_seed(0)
    embedder = Embedder(
        backbone=config.backbone,
        pretrained=False,
        embedding_dim=config.embedding_dim,
        channels=1,
        image_size=32,
    ).train()
    base = SmoothAPLoss(max_positives=config.samples_per_class - 1)
    optimizer = torch.optim.AdamW(embedder.parameters(), lr=config.learning_rate, fused=True)
    images = torch.rand(config.batch_size, 1, 32, 32)
    embeddings, labels = batch(config.batch_size, config.embedding_dim)

    def step() -> None:
        optimizer.zero_grad()
        base(embedder(images), labels).backward()
        optimizer.step()

    tcm = TCMLoss(margin_positive=config.margin_positive, margin_negative=config.margin_negative)
    # TCM comes after the base loss, as in a step: what they share is in the CPU's caches by then.
    works = {
        "step": step,
        "base": both_passes(base, embeddings, labels),
        "tcm": both_passes(tcm, embeddings, labels),
    }
    seconds = time_each(works, rounds=50)
    return Comparison(
        work=f"tcm, B = {config.batch_size}, D = {config.embedding_dim}",
        ours=seconds["tcm"],
        peer=f"training step of {config.backbone} with smooth_ap",
        theirs=seconds["step"],
        bar=0.03,
    )


def where_the_peer_is_wrong() -> str:
    """Return what both say of 8 classes x 4 embeddings that are ranked perfectly."""
    labels = torch.arange(32) // 4
    noise = 1e-3 * torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    embeddings = torch.eye(32)[labels] + noise
    ours, theirs = (
        loss(embeddings, labels).item() for loss in (SmoothAPLoss(), peers.SmoothAPLoss())
    )
    return (
        "Smooth-AP of 8 classes x 4 that are ranked perfectly, which is 0: "
        f"ours {abs(ours):.3f}, {PEER} {theirs:.3f}"
    )


def main() -> None:
    """Run everything and print it."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(options.threads)
    publish("Losses, forward + backward", [*against_peers(), against_a_step()], file=options.json)
    print(where_the_peer_is_wrong())


if __name__ == "__main__":
    main()

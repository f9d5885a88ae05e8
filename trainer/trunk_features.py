"""Features of a trunk that is not trained: computed once, then read from mapped files."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import timm
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives import Progress, ignore_progress
from trainer.atomic import remove_partials, written_whole
from trainer.config import TrialConfig
from trainer.data import SPLITS, Images, Split, SplitDataset, StoredImages
from trainer.device_images import to_device
from trainer.embedder import Embedder
from trainer.image_batches import ImageBatches, embedding_batches, evaluation_crop

__all__ = ["FeatureBatch", "FeatureBatches", "TrunkFeatures"]

# Another one computes features anew: raised whenever the same pixels give others.
_VERSION: Final = 2
_VIEW_FIELDS: Final = ("augmentation", "crop_scale_min", "crop_ratio_max", "horizontal_flip")


class TrunkFeatures:
    """Features of the images of each split, each view of them computed when first asked for.

    They are kept in a folder of their own below the data's cache, as ``.npy`` files that every
    process of the machine maps; one process computes, the others wait. Data without a cache have
    them in memory, for this object alone. Where the same data are split in another way, as they are
    to be confirmed, what differs has files of its own.

    Args:
        embedder: The model whose trunk, and pooling, computes them.
        data: The images.
        device: The device to compute on.
        config: The trial, for how views are augmented.
        progress: Gets the share of a view that is computed.
    """

    def __init__(
        self,
        embedder: Embedder,
        data: SplitDataset,
        *,
        device: torch.device,
        config: TrialConfig,
        progress: Progress = ignore_progress,
    ) -> None:
        self._embedder = embedder
        self._data = data
        self._device = device
        self._config = config
        self._progress = progress
        self._crop = evaluation_crop(data.dataset, embedder.trunk_input)
        self._folder = None if data.cache is None else data.cache / self._key()
        self._held: dict[tuple[Split, int], NDArray[np.float32]] = {}

    def view(self, split: Split, number: int = 0) -> NDArray[np.float32]:
        """Return the n x F features of a split's images, in the order of its indices.

        Args:
            split: The split.
            number: 0: what evaluation sees; from 1 on, augmented views.

        Raises:
            objectives.InputError: A file is gone or cannot be decoded.
        """
        if (split, number) not in self._held:
            self._held[split, number] = self._found(split, number)
        return self._held[split, number]

    def _found(self, split: Split, number: int) -> NDArray[np.float32]:
        if self._folder is None:
            return np.concatenate(list(self._computed(split, number)))
        images = hashlib.sha256(self._data.indices(split).numpy().tobytes()).hexdigest()[:16]
        file = self._folder / f"{split}-{self._view_name(number)}-{images}.npy"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):
                if not file.exists():
                    self._write(file, split, number)
        mapped: NDArray[np.float32] = np.load(file, mmap_mode="r")
        return mapped

    def _write(self, file: Path, split: Split, number: int) -> None:
        remove_partials(file)
        count, row = len(self._data.indices(split)), 0
        parts = self._computed(split, number)
        first = next(parts)
        with written_whole(file) as partial:
            mapped = np.lib.format.open_memmap(
                partial, mode="w+", dtype=np.float32, shape=(count, first.shape[1])
            )
            for part in (first, *parts):
                mapped[row : row + len(part)] = part
                row += len(part)
            mapped.flush()

    @torch.inference_mode()
    def _computed(self, split: Split, number: int) -> Iterator[NDArray[np.float32]]:
        """Yield the features batch by batch; a view's draws are the same in every trial."""
        # Batches of one size, or the draws would be those of the trial that came first.
        fixed = {"seed": number, "micro_batch_size": None}
        config = self._config.model_copy(update=fixed)
        images = ImageBatches(self._data.dataset.images, self._device, self._crop, config)
        indices = self._data.indices(split)
        parts = embedding_batches(
            indices, config, image_size=self._data.dataset.image_size, device=self._device
        )
        batches = images.training if number else images.evaluation
        self._embedder.eval()
        done = 0
        for batch in batches(parts):
            features = self._embedder.features(batch.inputs())
            done += len(features)
            self._progress(done / len(indices))
            yield features.cpu().numpy()

    def _key(self) -> str:
        """Return a name that is the same for the same images, trunk, and view of evaluation."""
        data = self._data
        facts: dict[str, Any] = {
            "version": _VERSION,
            "data": data.fingerprint,
            "images": _pixels_key(data.dataset.images),
            "size": data.dataset.image_size,
            "crop": str(self._crop),
            "backbone": [self._config.backbone, timm.__version__, *_code(self._embedder.trunk)],
            "trunk": _digest(self._embedder),
            "device": self._device.type,  # bfloat16 or not
        }
        return f"features-{_short_hash(facts)}"

    def _view_name(self, number: int) -> str:
        if not number:
            return "evaluation"
        how = {name: getattr(self._config, name) for name in _VIEW_FIELDS}
        return f"{self._config.augmentation}-{_short_hash(how)}-{number}"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureBatch:
    """A batch of features, as an `trainer.image_batches.ImageBatch` is one of images.

    Attributes:
        features: B x F floats on the device.
    """

    features: Tensor

    def inputs(self, rows: slice = slice(None)) -> Tensor:
        """Return those rows of the batch, R x F."""
        return self.features[rows]


class FeatureBatches:
    """The features of a data set on a device, batch by batch, in place of its images.

    Args:
        features: The features.
        data: The images.
        device: Where they are wanted.
        config: The trial, for the number of its views and the generator's seed.
    """

    def __init__(
        self,
        features: TrunkFeatures,
        data: SplitDataset,
        device: torch.device,
        config: TrialConfig,
    ) -> None:
        self._features = features
        self._device = device
        self._views = config.views
        self.generator = torch.Generator().manual_seed(config.seed)
        self._split_of = torch.zeros(len(data.dataset.items), dtype=torch.int64)
        self._row_of = torch.zeros(len(data.dataset.items), dtype=torch.int64)
        for number, split in enumerate(SPLITS):
            indices = data.indices(split)
            self._split_of[indices] = number
            self._row_of[indices] = torch.arange(len(indices))

    def training(self, batches: Iterable[Tensor]) -> Iterator[FeatureBatch]:
        """Yield batches of these training images (B indices each), each in one of its views."""
        numbers = range(1, self._views + 1) if self._views > 1 else (0,)
        for indices in batches:
            rows = self._row_of[indices].numpy()
            drawn = torch.randint(len(numbers), rows.shape, generator=self.generator).numpy()
            views = [self._features.view("train", number) for number in numbers]
            found = np.stack([views[k][row] for k, row in zip(drawn, rows, strict=True)])
            yield self._batch(found)

    def evaluation(self, batches: Iterable[Tensor]) -> Iterator[FeatureBatch]:
        """Yield batches of these images (B indices each, of one split) as evaluation sees them."""
        for indices in batches:
            split = SPLITS[int(self._split_of[indices[0]])]
            yield self._batch(self._features.view(split)[self._row_of[indices].numpy()])

    def _batch(self, found: NDArray[np.float32]) -> FeatureBatch:
        return FeatureBatch(features=to_device(torch.from_numpy(found), self._device))


def _short_hash(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _pixels_key(images: Images) -> str:
    """Return what tells apart images of the same names; those made on the spot are always alike."""
    return images.folder.name if isinstance(images, StoredImages) else ""


def _digest(embedder: Embedder) -> str:
    """Return a hash of all that features depend on: scaling, the trunk's structure, its weights."""
    found = hashlib.sha256(repr(embedder.trunk).encode())
    found.update(repr(embedder.pooling).encode())
    # Buffers that are in no state dict too: the mean and deviation of images, a trunk's positions.
    for name, value in chain(embedder.named_parameters(), embedder.named_buffers()):
        if not name.startswith(("head.", "head_norm.")):
            found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            found.update(value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _code(trunk: nn.Module) -> list[str]:
    """Return hashes of the code of layers that are not torch's or timm's, but of a user's own."""
    modules = {type(layer).__module__ for layer in trunk.modules()}
    own = sorted(name for name in modules if name.partition(".")[0] not in ("torch", "timm"))
    files = (Path(getattr(sys.modules.get(name), "__file__", None) or "") for name in own)
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]

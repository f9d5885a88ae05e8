"""Baselines of metric learning: raw pixels and untrained features, scored as a trial is."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from objectives import Calibration
from trainer.config import TrialConfig
from trainer.data import Split, SplitDataset
from trainer.embedder import build_embedder
from trainer.image_batches import ImageBatches, embedding_batches, evaluation_crop
from trainer.split_score import score_split
from trainer.trunk_features import TrunkFeatures
from trainer.views import EvaluationCrop

__all__ = ["pixel_embeddings", "score_raw_pixels", "score_untouched_trunk"]

# Side in pixels up to which raw pixels are compared: 3 072 numbers an image at most.
_SIDE: Final = 32
_WHEN: Final = "without training"


def score_raw_pixels(
    data: SplitDataset,
    *,
    device: torch.device,
    calibration: Calibration,
    split: Split = "validation",
) -> dict[str, float]:
    """Score the pixels themselves as embeddings, as `pixel_embeddings` makes them.

    Raises:
        TrialFailed: They cannot be scored.
        InputError: A file is gone or cannot be decoded.
    """
    size, share = data.dataset.image_size, data.dataset.crop_share or 1.0
    crop = EvaluationCrop(size=size, share=share)
    return _score(pixel_embeddings, crop, TrialConfig(), data, device, calibration, split)


def score_untouched_trunk(
    config: TrialConfig,
    data: SplitDataset,
    *,
    device: torch.device,
    calibration: Calibration,
    split: Split = "validation",
) -> dict[str, float]:
    """Score the features of a configuration's trunk, L2-normalised, before any training.

    The trunk is pretrained where the configuration has it so, and else as its seed initialises it.

    Raises:
        TrialFailed: They cannot be scored.
        InputError: There is no such trunk, its weights cannot be loaded, or a file is gone.
    """
    torch.manual_seed(config.seed)
    images = data.dataset.images
    embedder = build_embedder(config, channels=images.channels, image_size=data.dataset.image_size)
    embedder.to(device).eval()
    if config.trunk == "frozen":  # which the trials ask for, too
        features = TrunkFeatures(embedder, data, device=device, config=config)
        unit = functional.normalize(torch.tensor(features.view(split)), dim=1)
        return score_split(unit.to(device), data, split, calibration, when=_WHEN)

    def embed(views: Tensor) -> Tensor:
        return functional.normalize(embedder.features(views), dim=1)

    crop = evaluation_crop(data.dataset, embedder.trunk_input)
    return _score(embed, crop, config, data, device, calibration, split)


def pixel_embeddings(views: Tensor) -> Tensor:
    """Return images as unit vectors of their pixels.

    Each image is reduced to at most 32 x 32 pixels by area averaging, less its own mean, and
    L2-normalised: the cosine similarity of two is their normalised cross-correlation, the classical
    measure of template matching, which no brightness or contrast changes. (Of our own two data
    sets, nothing subtracted, the mean image or the mean of all pixels give a Recall@1 that is no
    higher.) An image of one colour, which has no direction, gets that of all ones.

    Args:
        views: B x C x S x S floats.

    Returns:
        B x (C * s * s) floats, s the lesser of S and 32.
    """
    small = views
    if views.shape[-1] > _SIDE:
        small = functional.adaptive_avg_pool2d(views, _SIDE)
    pixels = small.flatten(1)
    centred = pixels - pixels.mean(1, keepdim=True)
    # Rounding leaves of one colour a residue that normalising would blow up.
    flat = centred.abs().amax(1, keepdim=True) < 1e-6
    return functional.normalize(torch.where(flat, torch.ones_like(centred), centred), dim=1)


@torch.inference_mode()
def _score(
    embed: Callable[[Tensor], Tensor],
    crop: EvaluationCrop,
    config: TrialConfig,
    data: SplitDataset,
    device: torch.device,
    calibration: Calibration,
    split: Split,
) -> dict[str, float]:
    images = ImageBatches(data.dataset.images, device, crop, config)
    parts = embedding_batches(
        data.indices(split), config, image_size=data.dataset.image_size, device=device
    )
    embeddings = torch.cat([embed(each.inputs()) for each in images.evaluation(parts)])
    return score_split(embeddings, data, split, calibration, when=_WHEN)

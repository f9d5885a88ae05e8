"""Score of the embeddings of a split: the metrics by name, or why there are none."""

import math
from typing import Final

from torch import Tensor

from objectives import Calibration, score_embeddings
from trainer.data import Split, SplitDataset
from trainer.errors import TrialFailed

__all__ = ["score_split"]

# Mean squared distance of unit embeddings from their mean below which they are one point.
_COLLAPSED: Final = 1e-6


def score_split(
    embeddings: Tensor, data: SplitDataset, split: Split, calibration: Calibration, *, when: str
) -> dict[str, float]:
    """Score unit embeddings of a split's images.

    OPIS's noise floor, and OPIS corrected, are among the metrics where classes have the samples
    that they take.

    Args:
        embeddings: N x D, in the order of ``data.indices(split)``.
        data: Images and splits.
        split: Whose images they are; where a data set has queries, test images of it are scored as
            those against the gallery.
        calibration: The range of distances over which consistency is judged.
        when: Ends the message of a failure, such as ``at epoch 3``.

    Raises:
        TrialFailed: The embeddings are not finite, or collapsed, or a metric is undefined.
    """
    if not bool(embeddings.isfinite().all()):
        raise TrialFailed(f"embeddings are not finite {when}")
    # A norm that overflows ends in a row of zeros, not of NaN.
    if not bool(embeddings.any(dim=1).all()):
        raise TrialFailed(f"embeddings of length zero {when}")
    spread = (embeddings - embeddings.mean(0)).square().sum(1).mean()
    if float(spread) < _COLLAPSED:
        raise TrialFailed(f"embeddings collapsed to one point {when}")
    indices = data.indices(split)
    queries = None if data.queries is None or split != "test" else data.queries[indices]
    labels = data.dataset.labels[indices]
    metrics = score_embeddings(embeddings, labels, calibration, queries=queries).metrics()
    undefined = [name for name, value in metrics.items() if not math.isfinite(value)]
    if undefined:
        raise TrialFailed(f"{', '.join(undefined)} undefined {when}")
    return metrics

"""The embedded data set ``digits``: 1797 handwritten digits from scikit-learn."""

import numpy as np
import torch
from PIL import Image

from trainer.data.dataset import Dataset, TensorImages

__all__ = ["load_digits"]


def load_digits(size: int) -> Dataset:
    """Return scikit-learn's handwritten digits, bright on black, as N x 1 x ``size`` x ``size``.

    They are 8 x 8 pixels; another size is interpolated from that.
    """
    # Imported here: it takes longer than all else in this package.
    from sklearn.datasets import load_digits as load

    data = load()
    grey = np.rint(data.images * (255 / 16)).astype(np.uint8)
    pixels = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
            for image in grey
        ]
    )
    return Dataset(
        name="digits",
        items=tuple(f"digits/{number:04d}" for number in range(len(grey))),
        labels=torch.from_numpy(data.target.astype(np.int64)),
        class_names=tuple("0123456789"),
        images=TensorImages(pixels=torch.from_numpy(pixels).unsqueeze(1)),
        image_size=size,
        crop_share=1.0,
    )

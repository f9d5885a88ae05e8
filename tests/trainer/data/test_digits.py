import torch

from trainer.data import DataConfig, load_data
from trainer.data.digits import load_digits

from .pixels import pixels_of


def test_digits() -> None:
    split = load_data(DataConfig(name="digits"))
    digits = split.dataset
    assert len(digits.items) == 1797
    assert digits.class_names == tuple("0123456789")
    assert (digits.images.channels, digits.image_size) == (1, 8)
    pixels = pixels_of(digits.images)
    assert pixels.dtype == torch.uint8
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert [split.class_count(part) for part in ("train", "validation", "test")] == [5, 3, 2]
    assert split.fingerprint == "9ac33acd3ccb79b1f14e985aabf2a71f6b718c554771059d17f83bf18a417979"


def test_digits_of_another_size() -> None:
    small, large = load_digits(8), load_digits(32)
    assert large.image_size == 32
    every = torch.arange(100)
    pooled = torch.nn.functional.avg_pool2d(pixels_of(large.images, every).float(), 4)
    blurred = (pooled - pixels_of(small.images, every).float()).abs().mean()
    assert blurred < 20

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from objectives import InputError
from trainer.resample import INTERPOLATIONS, resample

every_interpolation = pytest.mark.parametrize("interpolation", INTERPOLATIONS)


# A place of some 40 pixels is known to 4e-6 in float32, and so are the weights: a thousandth of a
# grey level, 1 / 255.
ROUNDING = 4e-6


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def torchs(pixels: Tensor, size: int, interpolation: str) -> Tensor:
    """Torch's own resampling of C x H x W, as the oracle."""
    whole = pixels[None].double() / 255
    square = functional.interpolate(whole, (size, size), mode=interpolation, antialias=True)
    return square[0].clamp(0, 1)


@settings(deadline=None, max_examples=60)
@given(
    window=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 40), st.integers(1, 30)),
    size=st.integers(1, 33),
    channels=st.sampled_from([1, 3]),
    mirrored=st.booleans(),
    interpolation=st.sampled_from(INTERPOLATIONS),
    seed=st.integers(0, 99),
)
def test_a_window_becomes_what_torch_makes_of_it_alone(
    window: tuple[int, int, int, int],
    size: int,
    channels: int,
    mirrored: bool,
    interpolation: str,
    seed: int,
) -> None:
    top, left, height, width = window
    pixels = noise(2, channels, 49, 39, seed=seed)
    windows = torch.tensor([window, [0, 0, 49, 39]])
    found = resample(
        pixels,
        windows=windows,
        boxes=windows.double(),
        mirrored=torch.tensor([mirrored, False]),
        size=size,
        interpolation=interpolation,
    )
    crop = pixels[0, :, top : top + height, left : left + width]
    expected = torchs(crop.flip(2) if mirrored else crop, size, interpolation)
    assert found.dtype == torch.float32
    assert torch.allclose(found[0].double(), expected, atol=ROUNDING)
    assert torch.allclose(found[1].double(), torchs(pixels[1], size, interpolation), atol=ROUNDING)


@every_interpolation
def test_a_box_between_pixels_takes_the_filters_weights(interpolation: str) -> None:
    # Half a pixel to the right at full size: the weights of a tent and of Keys' cubic there.
    taps = {"bilinear": [0, 0.5, 0.5, 0], "bicubic": [-0.0625, 0.5625, 0.5625, -0.0625]}
    pixels = noise(1, 1, 1, 8)
    found = resample(
        pixels,
        windows=torch.tensor([[0, 0, 1, 8]]),
        boxes=torch.tensor([[0, 1.5, 1, 1]]),
        mirrored=torch.tensor([False]),
        size=1,
        interpolation=interpolation,
    )
    expected = (pixels[0, 0, 0, :4] / 255 * torch.tensor(taps[interpolation])).sum().clamp(0, 1)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


@every_interpolation
def test_no_pixel_outside_the_window_counts(interpolation: str) -> None:
    pixels = noise(1, 3, 20, 20)
    other = pixels.clone()
    other[:, :, :5] = 0
    other[:, :, :, 15:] = 255
    views = {
        "windows": torch.tensor([[5, 3, 15, 12]]),
        "boxes": torch.tensor([[4.7, 3.2, 15.6, 12.1]]),
        "mirrored": torch.tensor([True]),
    }
    one, same = (
        resample(images, **views, size=9, interpolation=interpolation) for images in (pixels, other)
    )
    assert torch.equal(one, same)


def test_an_unknown_interpolation_is_refused() -> None:
    whole = torch.tensor([[0, 0, 2, 2]])
    with pytest.raises(InputError, match="'nearest' is not one of bilinear, bicubic"):
        resample(
            noise(1, 1, 2, 2),
            windows=whole,
            boxes=whole,
            mirrored=torch.tensor([False]),
            size=2,
            interpolation="nearest",
        )

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform
from torch import Tensor
from torchvision.transforms import RandomResizedCrop

from trainer.resample import resample
from trainer.views import EvaluationCrop, Views, evaluation_views, random_views

shape = st.tuples(st.integers(1, 90), st.integers(1, 90))


def drawn(
    shapes: list[tuple[int, int]],
    *,
    scale_min: float = 0.16,
    ratio_max: float = 4 / 3,
    flip: bool = True,
    seed: int = 0,
) -> Views:
    return random_views(
        torch.tensor(shapes),
        scale_min=scale_min,
        ratio_max=ratio_max,
        horizontal_flip=flip,
        generator=torch.Generator().manual_seed(seed),
    )


def seen(image: Tensor, crop: EvaluationCrop) -> Tensor:
    """The evaluation view of a C x H x W image."""
    views = evaluation_views(torch.tensor([image.shape[1:]]), crop)
    return resample(
        image[None],
        windows=views.windows,
        boxes=views.boxes,
        mirrored=views.mirrored,
        size=crop.size,
        interpolation=crop.interpolation,
    )[0]


@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("height", "width", "size", "share"),
    [
        (256, 256, 224, 0.875),
        (256, 341, 224, 0.875),  # a photograph of 4 : 3: the margin is no whole number of pixels
        (341, 256, 64, 0.95),
        (96, 144, 56, 0.875),
        (150, 100, 64, 1.0),
        (100, 37, 32, 0.9),
        (70, 70, 64, 0.94),
    ],
)
def test_evaluation_sees_what_timm_makes_of_it(
    height: int, width: int, size: int, share: float, interpolation: str, mode: str
) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    transform = create_transform(
        (3, size, size),
        interpolation=interpolation,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        crop_pct=share,
        crop_mode=mode,
    )
    expected = transform(image)
    crop = EvaluationCrop(
        size=size, share=share, squash=mode == "squash", interpolation=interpolation
    )
    found = seen(torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1), crop)
    # timm rounds the values to bytes, after each axis.
    assert (found - expected).abs().mean() < 0.004
    assert (found - expected).abs().max() < 0.012


@settings(deadline=None, max_examples=60)
@given(
    shapes=st.lists(shape, min_size=1, max_size=5),
    size=st.integers(1, 64),
    share=st.floats(0.3, 1),
    squash=st.booleans(),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_evaluation_windows_hold_all_that_the_filter_needs(
    shapes: list[tuple[int, int]], size: int, share: float, squash: bool, interpolation: str
) -> None:
    crop = EvaluationCrop(size=size, share=share, squash=squash, interpolation=interpolation)
    sides = torch.tensor(shapes)
    views = evaluation_views(sides, crop)
    ends = views.windows[:, :2] + views.windows[:, 2:]
    assert (views.windows[:, :2] >= 0).all()
    assert (views.windows[:, 2:] >= 1).all()
    assert (ends <= sides).all()
    for (height, width), window in zip(shapes, views.windows, strict=True):
        pixels = torch.randint(256, (1, 1, height, width), dtype=torch.uint8)
        common = {
            "boxes": evaluation_views(torch.tensor([[height, width]]), crop).boxes,
            "mirrored": torch.tensor([False]),
        }
        within, whole = (
            resample(pixels, windows=each, **common, size=size, interpolation=interpolation)
            for each in (window[None], torch.tensor([[0, 0, height, width]]))
        )
        assert torch.allclose(within, whole, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    shapes=st.lists(shape, min_size=1, max_size=5),
    scale_min=st.floats(0.01, 1),
    ratio_max=st.floats(1, 3),
    seed=st.integers(0, 99),
)
def test_random_crops_lie_within_their_image(
    shapes: list[tuple[int, int]], scale_min: float, ratio_max: float, seed: int
) -> None:
    views = drawn(shapes, scale_min=scale_min, ratio_max=ratio_max, seed=seed)
    sides = torch.tensor(shapes)
    assert (views.windows[:, :2] >= 0).all()
    assert (views.windows[:, 2:] >= 1).all()
    assert (views.windows[:, :2] + views.windows[:, 2:] <= sides).all()
    assert torch.equal(views.boxes, views.windows.double())
    again = drawn(shapes, scale_min=scale_min, ratio_max=ratio_max, seed=seed)
    assert torch.equal(views.windows, again.windows)


@pytest.mark.parametrize(("height", "width"), [(100, 100), (80, 120), (30, 200)])
def test_random_crops_are_distributed_as_torchvisions(height: int, width: int) -> None:
    scale_min, ratio_max, count = 0.16, 4 / 3, 4000
    torch.manual_seed(1)
    image = torch.empty(1, height, width)
    theirs = torch.tensor(
        [
            RandomResizedCrop.get_params(image, [scale_min, 1.0], [1 / ratio_max, ratio_max])
            for _ in range(count)
        ]
    ).double()
    ours = drawn([(height, width)] * count, scale_min=scale_min, ratio_max=ratio_max).boxes
    for column in (2, 3):  # the sides
        spread = math.sqrt(2 / count) * float(theirs[:, column].std())
        assert abs(float(ours[:, column].mean() - theirs[:, column].mean())) < 4 * spread + 0.1
        assert float(ours[:, column].std()) == pytest.approx(
            float(theirs[:, column].std()), rel=0.1, abs=0.1
        )
    ratios = [boxes[:, 3] / boxes[:, 2] for boxes in (ours, theirs)]
    assert float(ratios[0].log().mean()) == pytest.approx(float(ratios[1].log().mean()), abs=0.02)


def test_crops_fall_anywhere_and_half_are_mirrored() -> None:
    views = drawn([(40, 40)] * 4000)
    free = 40 - views.boxes[:, 2:]
    shares = views.boxes[:, :2] / free.clamp(min=1)
    assert (shares[free.min(1).values > 8].mean(0) - 0.5).abs().max() < 0.03
    assert 0.45 < float(views.mirrored.double().mean()) < 0.55
    assert not drawn([(40, 40)] * 100, flip=False).mirrored.any()


def test_an_image_too_long_for_any_draw_gives_its_largest_crop() -> None:
    views = drawn([(10, 4000)] * 50, scale_min=1.0)
    assert views.windows[:, 2:].tolist() == [[10, 13]] * 50


def test_squares_of_the_right_size_are_seen_as_they_are() -> None:
    shapes = torch.tensor([[8, 8], [8, 8]])
    whole = evaluation_views(shapes, EvaluationCrop(size=8))
    assert whole.show_all(shapes, 8)
    assert not evaluation_views(shapes, EvaluationCrop(size=8, share=0.8)).show_all(shapes, 8)
    assert not evaluation_views(shapes, EvaluationCrop(size=7)).show_all(shapes, 7)
    oblong = torch.tensor([[8, 8], [8, 9]])
    assert not evaluation_views(oblong, EvaluationCrop(size=8)).show_all(oblong, 8)
    mirrored = Views(windows=whole.windows, boxes=whole.boxes, mirrored=torch.tensor([False, True]))
    assert not mirrored.show_all(shapes, 8)

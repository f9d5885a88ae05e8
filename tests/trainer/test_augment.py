import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.augment import augmentation_draws, light_augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmented(images: Tensor, generator: torch.Generator, *, flip: bool) -> Tensor:
    draws = augmentation_draws(len(images), generator=generator)
    return light_augment(images, draws, horizontal_flip=flip)


def dot(side: int = 65) -> Tensor:
    """A soft bright spot right of the centre, and the same for each of 200 images."""
    axis = torch.linspace(-1, 1, side)
    spot = torch.exp(-((axis[None] - 0.4) ** 2 + axis[:, None] ** 2) / 0.02)
    return spot.expand(200, 1, side, side)


def centres(images: Tensor) -> Tensor:
    """Return the B x 2 places (x, y) of the brightest spots, in [-1, 1]."""
    mass = (images[:, 0] - images[:, 0].amin((1, 2), keepdim=True)) ** 4
    mass = mass / mass.sum((1, 2), keepdim=True)
    axis = torch.linspace(-1, 1, images.shape[-1])
    return torch.stack([(mass.sum(1) * axis).sum(1), (mass.sum(2) * axis).sum(1)], dim=1)


@settings(deadline=None, max_examples=30)
@given(
    batch=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    side=st.integers(8, 33),
    seed=st.integers(0, 2**31),
    flip=st.booleans(),
)
def test_keeps_shape_range_and_repeats(
    batch: int, channels: int, side: int, seed: int, flip: bool
) -> None:
    images = torch.rand(batch, channels, side, side, generator=seeded(seed))
    before = images.clone()
    once = augmented(images, seeded(seed), flip=flip)
    again = augmented(images, seeded(seed), flip=flip)
    assert once.shape == images.shape
    assert once.dtype == images.dtype
    assert once.min() >= 0
    assert once.max() <= 1
    assert torch.equal(once, again)
    assert torch.equal(images, before)


def test_each_image_has_its_own_draw() -> None:
    found = augmented(dot(33)[:8], seeded(), flip=False)
    for first in range(8):
        for second in range(first):
            assert not torch.allclose(found[first], found[second], atol=0.01)


def test_moves_stay_within_their_bounds() -> None:
    places = centres(augmented(dot(), seeded(), flip=False))
    # x: 0.4 / 0.9 by scale and 0.2 / 0.9 by shift; y: the shift and the turn of 10 degrees.
    assert places[:, 0].max() <= 0.4 * 1.1 + 0.2 * 1.1 + 0.05
    assert places[:, 0].min() >= 0.4 * 0.9 * 0.98 - 0.2 * 1.1 - 0.05
    assert places[:, 1].abs().max() <= 0.2 * 1.1 + 0.4 * 1.1 * 0.18 + 0.05
    assert places[:, 0].max() - places[:, 0].min() > 0.3
    assert places[:, 1].max() - places[:, 1].min() > 0.3


def test_flips_half_and_only_when_asked() -> None:
    plain = centres(augmented(dot(), seeded(), flip=False))
    flipped = centres(augmented(dot(), seeded(), flip=True))
    assert (plain[:, 0] > 0).all()
    share = (flipped[:, 0] < 0).float().mean()
    assert 0.35 < share < 0.65
    kept = flipped[:, 0] > 0
    assert torch.allclose(plain[kept], flipped[kept], atol=1e-5)


def test_border_is_repeated_and_light_varies() -> None:
    grey = torch.full((200, 3, 16, 16), 0.5)
    found = augmented(grey, seeded(), flip=False)
    # A flat image stays flat: nothing black comes in from outside.
    assert (found.amax((1, 2, 3)) - found.amin((1, 2, 3))).max() < 1e-5
    level = found.mean((1, 2, 3))
    assert 0.4 - 1e-5 <= level.min() < 0.42
    assert 0.58 < level.max() <= 0.6 + 1e-5


def test_contrast_varies_about_the_mean() -> None:
    board = torch.full((200, 1, 16, 16), 0.3)
    board[..., 8:] = 0.7
    found = augmented(board, seeded(), flip=False)
    spread = found.amax((1, 2, 3)) - found.amin((1, 2, 3))
    assert 0.36 - 1e-3 <= spread.min() < 0.375
    assert 0.425 < spread.max() <= 0.44 + 1e-3

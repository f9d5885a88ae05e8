import gc

import pytest
import torch
from torch import Tensor

import trainer.device_images
from trainer.data import TensorImages
from trainer.device_images import DeviceImages, to_device
from trainer.views import EvaluationCrop, Views, evaluation_views, random_views

CPU, META = torch.device("cpu"), torch.device("meta")


def images(count: int = 6) -> TensorImages:
    pixels = torch.randint(256, (count, 3, 4, 4), dtype=torch.uint8)
    return TensorImages(pixels=pixels)


def whole(held: TensorImages, indices: Tensor) -> Views:
    return evaluation_views(held.shapes[indices], EvaluationCrop(size=4))


def test_pixels_come_as_they_are_asked_for() -> None:
    held = images()
    indices = torch.tensor([4, 0, 4])
    found, views = DeviceImages(held, CPU).fetch(indices, whole(held, indices))
    assert found.dtype == torch.uint8
    assert torch.equal(found, held.pixels[[4, 0, 4]])
    assert views.windows.tolist() == [[0, 0, 4, 4]] * 3


@pytest.mark.parametrize("resident", [True, False])
def test_windows_are_those_of_the_pixels_that_come(
    resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer.device_images, "_fits", lambda *_: resident)
    held, indices = images(), torch.tensor([4, 0, 4, 1])
    drawn = random_views(
        held.shapes[indices],
        scale_min=0.2,
        ratio_max=2,
        horizontal_flip=True,
        generator=torch.Generator().manual_seed(0),
    )
    on_device = DeviceImages(held, CPU)
    assert on_device.at_hand
    found, views = on_device.fetch(indices, drawn)
    for row, index in enumerate(indices.tolist()):
        top, left, height, width = drawn.windows[row].tolist()
        expected = held.pixels[index, :, top : top + height, left : left + width]
        top, left, height, width = views.windows[row].tolist()
        assert torch.equal(found[row, :, top : top + height, left : left + width], expected)
        assert views.boxes[row].tolist() == [top, left, height, width]
    assert torch.equal(views.mirrored, drawn.mirrored)


def test_the_cpu_holds_no_second_copy() -> None:
    held = images()
    DeviceImages(held, CPU)
    assert held not in trainer.device_images._RESIDENT
    assert to_device(held.pixels, CPU) is held.pixels


def test_one_copy_on_the_device_for_all_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.device_images, "_fits", lambda *_: True)
    held, others = images(), images()
    first, second = DeviceImages(held, META), DeviceImages(held, META)
    assert first._resident is second._resident
    assert first._resident is not None
    assert first._resident.device == META
    assert DeviceImages(others, META)._resident is not first._resident
    assert len(trainer.device_images._RESIDENT) == 2
    del held, others, first, second
    gc.collect()
    assert len(trainer.device_images._RESIDENT) == 0


def test_what_does_not_lie_in_memory_is_copied_batch_by_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer.device_images, "_fits", lambda *_: True)

    class Decoded:
        channels = 3
        shapes = torch.full((6, 2), 4)

        def __len__(self) -> int:
            return 6

        def crops(self, indices: Tensor, boxes: Tensor) -> Tensor:
            assert boxes.tolist() == [[0, 0, 4, 4]] * 2
            return indices.to(torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 3, 4, 4)

    indices = torch.tensor([5, 2])
    on_device = DeviceImages(Decoded(), CPU)
    assert not on_device.at_hand
    found, _ = on_device.fetch(indices, whole(images(), indices))
    assert found[:, 0, 0, 0].tolist() == [5, 2]


@pytest.mark.parametrize(
    ("free", "bound", "fits"),
    [(8 * 288, 1, True), (8 * 288 - 8, 1, False), (8 * 288, 0.5, True), (8 * 288, 0.1, False)],
)
def test_an_eighth_of_what_the_process_may_have_is_enough(
    free: int, bound: float, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 2 * 8 * 288))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", {0: bound}.__getitem__)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    held = images()
    assert held.pixels.nbytes == 288
    assert trainer.device_images._fits(held, torch.device("cuda")) is fits
    assert not trainer.device_images._fits(held, CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("fits", [True, False])
def test_cuda_sees_the_same_pixels(fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.device_images, "_fits", lambda *_: fits)
    held, indices = images(), torch.tensor([4, 0, 4])
    on_device = DeviceImages(held, torch.device("cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        found, views = on_device.fetch(indices, whole(held, indices))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found.is_cuda
    assert views.boxes.is_cuda
    assert torch.equal(found.cpu(), held.pixels[indices])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("fits", [True, False])
def test_cuda_sees_the_same_windows(fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.device_images, "_fits", lambda *_: fits)
    held, indices = images(), torch.tensor([4, 0, 4, 1])
    drawn = random_views(
        held.shapes[indices],
        scale_min=0.2,
        ratio_max=2,
        horizontal_flip=True,
        generator=torch.Generator().manual_seed(0),
    )
    cuda = DeviceImages(held, torch.device("cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        found, views = cuda.fetch(indices, drawn)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert {found.is_cuda, views.windows.is_cuda, views.boxes.is_cuda, views.mirrored.is_cuda} == {
        True
    }
    for row, index in enumerate(indices.tolist()):
        top, left, height, width = drawn.windows[row].tolist()
        expected = held.pixels[index, :, top : top + height, left : left + width]
        top, left, height, width = views.windows[row].tolist()
        seen = found[row, :, top : top + height, left : left + width]
        assert torch.equal(seen.cpu(), expected)

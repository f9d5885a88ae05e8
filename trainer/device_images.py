"""Images on the device that trains, fetched without making the host wait for it."""

from typing import Final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from trainer.data import Images, TensorImages
from trainer.device_memory import bounded_share
from trainer.views import Views

__all__ = ["DeviceImages", "to_device"]

# Images that take up to this share of what a process may have of a CUDA device are kept there:
# several trials may share the device, each in a process of its own.
_SHARE: Final = 1 / 8
# One copy for all trials of a process, as long as the images themselves live.
_RESIDENT: Final[WeakKeyDictionary[TensorImages, dict[torch.device, Tensor]]] = WeakKeyDictionary()


class DeviceImages:
    """Images of a data set, as a device sees them.

    Pixels in memory are copied to a CUDA device once, where they fit there, for this trial and
    those that come after it in the process. All else is copied batch by batch.

    Args:
        images: The images, on the CPU.
        device: Where they are wanted.
    """

    def __init__(self, images: Images, device: torch.device) -> None:
        self._images = images
        self._device = device
        self._resident: Tensor | None = None
        if isinstance(images, TensorImages) and _fits(images, device):
            self._resident = _resident(images, device)

    @property
    def at_hand(self) -> bool:
        """Whether fetching is mere indexing, which no thread need do ahead."""
        return isinstance(self._images, TensorImages)

    def shapes(self, indices: Tensor) -> Tensor:
        """Return B x 2 heights and widths of the images at ``indices`` (B int64, on the CPU)."""
        return self._images.shapes[indices]

    def fetch(self, indices: Tensor, views: Views) -> tuple[Tensor, Views]:
        """Return what the views of the images at ``indices`` (B int64, on the CPU) look at.

        Returns:
            B x C x H x W uint8, and the views of these pixels, both on the device.

        Raises:
            objectives.InputError: A file is gone or cannot be decoded.
        """
        if self._resident is not None:
            return self._resident[to_device(indices, self._device)], self._moved(views)
        pixels = self._images.crops(indices, views.windows)
        return to_device(pixels, self._device), self._moved(views.of_windows())

    def _moved(self, views: Views) -> Views:
        return Views(
            windows=to_device(views.windows, self._device),
            boxes=to_device(views.boxes, self._device),
            mirrored=to_device(views.mirrored, self._device),
        )


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU: from pinned memory, or the host would wait for the copy."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _fits(images: TensorImages, device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, total = torch.cuda.mem_get_info(device)
    room = min(free, total * bounded_share(device))
    return images.pixels.nbytes <= room * _SHARE or device in _RESIDENT.get(images, {})


def _resident(images: TensorImages, device: torch.device) -> Tensor:
    copies = _RESIDENT.setdefault(images, {})
    if device not in copies:
        copies[device] = images.pixels.to(device)
    return copies[device]

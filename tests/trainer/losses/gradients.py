"""Gradients that a backward pass has left."""

from torch import Tensor


def gradient(tensor: Tensor) -> Tensor:
    """Return the gradient of a tensor that has one."""
    assert tensor.grad is not None
    return tensor.grad

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch.cuda._utils import _get_device_index

from trainer import CONTEXT_BYTES, TrialFailed, bound_memory, is_out_of_memory, release_memory
from trainer.device_memory import widen_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GIB = 2**30

FakeCuda = Callable[..., SimpleNamespace]


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """A device of 16 GiB in torch's words."""

    def make(*, free: int = 16 * GIB, reserved: int = 0) -> SimpleNamespace:
        device = SimpleNamespace(fraction=1.0)

        def bound(fraction: float, of: torch.device) -> None:
            _get_device_index(of)  # as torch does: it refuses a device without a number
            assert type(fraction) is float
            assert 0 < fraction <= 1
            device.fraction = fraction

        def bounded(of: torch.device) -> float:
            _get_device_index(of)
            return float(device.fraction)

        for name, found in {
            "mem_get_info": lambda _device=None: (free, 16 * GIB),
            "memory_reserved": lambda _device=None: reserved,
            "set_per_process_memory_fraction": bound,
            "get_per_process_memory_fraction": bounded,
            "current_device": lambda: 0,
        }.items():
            monkeypatch.setattr(torch.cuda, name, found)
        return device

    return make


@pytest.mark.parametrize("share", [0.25, 0.5, 0.3333])
def test_a_share_holds_the_context_too(share: float, fake_cuda: FakeCuda) -> None:
    device = fake_cuda()
    bound_memory(CUDA, share)
    assert device.fraction * 16 * GIB + CONTEXT_BYTES == pytest.approx(share * 16 * GIB)


def test_a_tiny_share_is_half_of_use(fake_cuda: FakeCuda) -> None:
    device = fake_cuda()
    bound_memory(CUDA, 0.05)
    assert device.fraction == 0.025


@pytest.mark.parametrize("share", [1, 2.0])
def test_a_whole_gpu_is_not_bounded(share: float, fake_cuda: FakeCuda) -> None:
    device = fake_cuda()
    bound_memory(CUDA, 0.5)
    bound_memory(CUDA, share)
    assert device.fraction == 1


def test_there_is_nothing_to_bound_or_to_widen_on_a_cpu() -> None:
    bound_memory(CPU, 0.5)
    assert not widen_memory(CPU)


@pytest.mark.parametrize(
    ("fraction", "free", "reserved", "wider"),
    [
        (0.25, 12 * GIB, 4 * GIB, 0.5),
        (0.25, 2 * GIB, 4 * GIB, 0.375),
        (0.75, 16 * GIB, 0, 1.0),
        (0.25, 0, 4 * GIB, None),
        (1.0, 16 * GIB, 0, None),
    ],
)
def test_a_process_gets_twice_as_much_as_far_as_it_is_free(
    fraction: float, free: int, reserved: int, wider: float | None, fake_cuda: FakeCuda
) -> None:
    device = fake_cuda(free=free, reserved=reserved)
    device.fraction = fraction
    assert widen_memory(CUDA) is (wider is not None)
    assert device.fraction == (wider or fraction)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_every_way_to_say_that_memory_ran_out(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        TrialFailed("embeddings are not finite at epoch 1"),
        ValueError("out of memory"),
    ],
)
def test_other_errors_are_others(error: Exception) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_keeps_to_the_bound() -> None:
    _, total = torch.cuda.mem_get_info()
    share = 3 * GIB / total
    try:
        bound_memory(CUDA, share)
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.empty(3 * GIB, dtype=torch.uint8, device=CUDA)
        assert is_out_of_memory(caught.value)
        fits = torch.empty(2 * GIB, dtype=torch.uint8, device=CUDA)
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(GIB, dtype=torch.uint8, device=CUDA)
        assert widen_memory(CUDA)
        more = torch.empty(GIB, dtype=torch.uint8, device=CUDA)
        del fits, more
        assert release_memory() < GIB
        assert torch.cuda.max_memory_reserved() < GIB
    finally:
        bound_memory(CUDA, 1)

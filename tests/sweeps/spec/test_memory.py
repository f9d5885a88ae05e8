"""Memory of metric learning on a GPU that is pretended."""

from collections.abc import Callable

import pytest
import torch

import trainer
from sweeps.spec import Data, MemoryDemand, Resources, SearchSpace, SweepSpec
from sweeps.spec.metric_learning.memory import device_of, foresee, most_demanding, release
from trainer import CONTEXT_BYTES, TrialConfig

GIB = 2**30


def space(trial: dict[str, object] | None = None, **sampled: object) -> SearchSpace:
    spec = SweepSpec.model_validate(
        {
            "name": "a",
            "data": {"name": "digits"},
            "space": sampled,
            "trial": trial or {},
            "budget": {"trials": 1},
            "resources": {"gpu": "auto"},
        }
    )
    return spec.search_space()


def test_each_backbone_is_tried_with_the_largest_batch() -> None:
    found = most_demanding(
        space(
            {"samples_per_class": 8, "weight_decay": 0.5},
            backbone=["test_resnet", "test_vit"],
            batch_size=[64, 128, 32],
            micro_batch_size=[16, 48],
            embedding_dim={"low": 8, "high": 64, "step": 8},
        )
    )
    assert [config.backbone for config in found] == ["test_resnet", "test_vit"]
    for config in found:
        assert (config.batch_size, config.micro_batch_size) == (128, 48)
        assert (config.embedding_dim, config.samples_per_class) == (64, 8)
        assert config.weight_decay == 0.5
        assert not config.is_control


def test_the_whole_batch_takes_more_than_any_part_of_it() -> None:
    sometimes = {"choices": [16], "when": {"batch_size": [128]}}
    [config] = most_demanding(space(batch_size=[64, 128], micro_batch_size=sometimes))
    assert config.micro_batch_size is None
    [config] = most_demanding(space(batch_size=[64, 128]))
    assert config.micro_batch_size is None


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (15 * GIB, 16 * GIB))


@pytest.mark.usefixtures("device")
def test_the_backbone_that_takes_the_most_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    takes = {"test_resnet": 2 * GIB, "test_vit": 5 * GIB, "test_vit2": 3 * GIB}

    def predict(config: TrialConfig, data: object, *, device: torch.device) -> int:
        assert (data, device.type) == ("images", "cuda")
        return takes[config.backbone]

    monkeypatch.setattr(trainer, "predict_memory", predict, raising=False)
    found = foresee(space(backbone=list(takes)), Data(content="images"), Resources(gpu=1))
    assert found == MemoryDemand(trial=5 * GIB + CONTEXT_BYTES, device=16 * GIB)
    assert found.gpu == 0.5  # 5.5 GiB and a tenth more is above a third


def failing(error: Exception) -> Callable[..., int]:
    def predict(*_: object, **__: object) -> int:
        raise error

    return predict


@pytest.mark.usefixtures("device")
def test_what_does_not_fit_takes_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    full = failing(torch.OutOfMemoryError("CUDA out of memory."))
    monkeypatch.setattr(trainer, "predict_memory", full, raising=False)
    assert foresee(space(loss=["smooth_ap"]), Data(), Resources(gpu=1)).gpu == 1


@pytest.mark.usefixtures("device")
def test_other_faults_of_a_probe_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = failing(RuntimeError("no kernel image"))
    monkeypatch.setattr(trainer, "predict_memory", faulty, raising=False)
    with pytest.raises(RuntimeError, match="no kernel image"):
        foresee(space(loss=["smooth_ap"]), Data(), Resources(gpu=1))


@pytest.mark.parametrize(("gpu", "kind"), [(0, "cpu"), (0.25, "cuda"), (2, "cuda")])
def test_a_trial_is_bounded_to_its_share(
    gpu: float, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: list[tuple[str, float]] = []
    monkeypatch.setattr(
        trainer, "bound_memory", lambda d, share: bounds.append((d.type, share)), raising=False
    )
    assert device_of(Resources(gpu=gpu)).type == kind
    assert bounds == [(kind, gpu)]


def test_there_is_nothing_to_release_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert release() == 0
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(trainer, "release_memory", lambda: 7, raising=False)
    assert release() == 7


@pytest.mark.parametrize("gpu", ["all", -1, 1.5])
def test_a_gpu_is_a_number_or_auto(gpu: object) -> None:
    with pytest.raises(ValueError, match="gpu"):
        Resources.model_validate({"gpu": gpu})


def test_auto_stands_for_a_whole_gpu_until_it_is_found_out() -> None:
    assert Resources(gpu="auto").gpu_share == 1
    assert Resources.model_validate_json('{"gpu": "auto"}') == Resources(gpu="auto")
    assert Resources(gpu=0.25).gpu_share == 0.25

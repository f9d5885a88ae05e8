import copy
import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning import miners as pml_miners
from torch import Tensor

from objectives import InputError
from trainer import EmbeddingLoss, TrialConfig, build_loss
from trainer.losses import (
    LOSSES,
    LossRecord,
    LossTable,
    nt_xent_loss,
    recall_at_k_loss,
    smooth_ap_loss,
    tcm_loss,
)

from .losses.gradients import gradient

CLASSES, DIM = 4, 16
# Loss of `batch()` after torch.manual_seed(0), without TCM; TCM adds TCM_FROZEN.
FROZEN = {
    "smooth_ap": 0.430777,
    "recall_at_k": 0.346509,
    "proxy_anchor": 25.484808,
    "arcface": 49.479572,
    "multi_similarity": 0.754458,
    "contrastive": 1.272061,
    "triplet_margin": 0.047995,
    "nt_xent": 2.652150,
}
TCM_FROZEN = 0.722341

with_and_without_tcm = pytest.mark.parametrize("weight", [0.0, 1.0], ids=["control", "tcm"])
every_loss = pytest.mark.parametrize("name", LOSSES)


def batch() -> tuple[Tensor, Tensor]:
    """Three of each class, around the class's centre: neither perfect nor random."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(CLASSES).repeat(3)
    noise = torch.randn(len(labels), DIM, generator=generator)
    return (2.0 * torch.eye(CLASSES, DIM)[labels] + noise).requires_grad_(), labels


def trial(name: str, weight: float = 1.0, **changes: float) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "loss": name,
            "embedding_dim": DIM,
            "batch_size": 12,
            "samples_per_class": 3,
            "weight_positive": weight,
            "weight_negative": weight,
            **changes,
        }
    )


def built(config: TrialConfig) -> EmbeddingLoss:
    torch.manual_seed(0)
    return build_loss(config, num_classes=CLASSES)


def test_the_losses_of_the_project() -> None:
    assert list(LOSSES) == list(FROZEN)
    assert all(record.name == name for name, record in LOSSES.items())


@every_loss
@with_and_without_tcm
def test_trains_with_finite_gradients(name: str, weight: float) -> None:
    embeddings, labels = batch()
    loss = built(trial(name, weight))
    value = loss(embeddings, labels)
    value.backward()
    assert value.shape == ()
    assert value.item() > 0
    assert gradient(embeddings).isfinite().all()
    assert gradient(embeddings).abs().sum() > 0
    for parameter in loss.proxy_parameters():
        assert gradient(parameter).isfinite().all()
        assert gradient(parameter).abs().sum() > 0


@every_loss
def test_values_are_frozen(name: str) -> None:
    embeddings, labels = batch()
    control = built(trial(name, 0.0))(embeddings, labels).item()
    with_tcm = built(trial(name))(embeddings, labels).item()
    assert control == pytest.approx(FROZEN[name], rel=1e-6, abs=1e-5)
    assert with_tcm == pytest.approx(FROZEN[name] + TCM_FROZEN, rel=1e-6, abs=1e-5)


def expected_base(name: str, embeddings: Tensor, labels: Tensor) -> Any:
    """The base loss, built by hand from values that differ from every default."""
    torch.manual_seed(0)
    if name == "smooth_ap":
        return smooth_ap_loss(embeddings, labels, temperature=0.05)
    if name == "recall_at_k":
        return recall_at_k_loss(
            embeddings, labels, temperature=0.05, rank_temperature=2.0, mixup=True
        )
    if name == "proxy_anchor":
        return pml_losses.ProxyAnchorLoss(CLASSES, DIM, margin=0.2, alpha=16)(embeddings, labels)
    if name == "arcface":
        return pml_losses.ArcFaceLoss(CLASSES, DIM, margin=20, scale=30)(embeddings, labels)
    if name == "multi_similarity":
        pairs = pml_miners.MultiSimilarityMiner(epsilon=0.1)(embeddings, labels)
        return pml_losses.MultiSimilarityLoss(alpha=3, beta=40, base=0.4)(embeddings, labels, pairs)
    if name == "nt_xent":
        return nt_xent_loss(embeddings, labels, temperature=0.2)
    if name == "contrastive":
        return pml_losses.ContrastiveLoss(pos_margin=0.1, neg_margin=1.2)(embeddings, labels)
    triplets = pml_miners.TripletMarginMiner(margin=0.3, type_of_triplets="semihard")(
        embeddings, labels
    )
    return pml_losses.TripletMarginLoss(margin=0.3)(embeddings, labels, triplets)


CHANGED = {
    "smooth_ap_temperature": 0.05,
    "recall_at_k_temperature": 0.05,
    "recall_at_k_rank_temperature": 2.0,
    "recall_at_k_mixup": True,
    "proxy_anchor_margin": 0.2,
    "proxy_anchor_alpha": 16.0,
    "arcface_margin": 20.0,
    "arcface_scale": 30.0,
    "multi_similarity_alpha": 3.0,
    "multi_similarity_beta": 40.0,
    "multi_similarity_base": 0.4,
    "contrastive_positive_margin": 0.1,
    "contrastive_negative_margin": 1.2,
    "triplet_margin": 0.3,
    "nt_xent_temperature": 0.2,
}


@every_loss
def test_every_field_reaches_its_loss_and_a_control_is_the_base_loss(name: str) -> None:
    embeddings, labels = batch()
    loss = built(trial(name, 0.0, **CHANGED))
    torch.manual_seed(0)
    assert loss.tcm is None
    assert loss(embeddings, labels).item() == pytest.approx(
        expected_base(name, embeddings, labels).item(), abs=1e-7
    )


@pytest.mark.parametrize("weights", [(0.3, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_tcm_is_added_with_its_own_settings(weights: tuple[float, float]) -> None:
    embeddings, labels = batch()
    tcm: dict[str, Any] = {
        "margin_positive": 0.8,
        "margin_negative": 0.1,
        "weight_positive": weights[0],
        "weight_negative": weights[1],
    }
    control = built(trial("contrastive", 0.0))(embeddings, labels)
    both = built(trial("contrastive", **tcm))(embeddings, labels)
    assert both.item() == pytest.approx((control + tcm_loss(embeddings, labels, **tcm)).item())
    assert both.item() != control.item()


@every_loss
def test_proxies_are_those_of_the_base_loss(name: str) -> None:
    shapes = [tuple(p.shape) for p in built(trial(name)).proxy_parameters()]
    assert bool(shapes) is (name in ("proxy_anchor", "arcface"))
    if shapes:
        assert sorted(shapes[0]) == [CLASSES, DIM]


@every_loss
@with_and_without_tcm
def test_half_precision_is_computed_in_float32(name: str, weight: float) -> None:
    embeddings, labels = batch()
    half = embeddings.detach().bfloat16().requires_grad_()
    loss = built(trial(name, weight))
    before = copy.deepcopy(list(loss.parameters()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(half.detach().float(), labels).item(), abs=1e-6)
    assert gradient(half).isfinite().all()
    for parameter, old in zip(loss.parameters(), before, strict=True):
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, old)


@every_loss
@with_and_without_tcm
@pytest.mark.parametrize("scale", [0.0, 1.0], ids=["zeros", "all alike"])
def test_collapsed_embeddings_have_a_finite_loss_and_gradients(
    name: str, weight: float, scale: float
) -> None:
    embeddings = torch.full((12, DIM), scale, requires_grad=True)
    value = built(trial(name, weight))(embeddings, batch()[1])
    value.backward()
    assert math.isfinite(value.item())
    assert gradient(embeddings).isfinite().all()


@every_loss
@with_and_without_tcm
def test_nan_embeddings_show(name: str, weight: float) -> None:
    embeddings = torch.full((12, DIM), math.nan)
    assert built(trial(name, weight))(embeddings, batch()[1]).isnan()


def test_unknown_and_duplicate_names_raise() -> None:
    with pytest.raises(InputError, match=r"'margin' is not one of smooth_ap, .*triplet_margin"):
        LOSSES.find("margin")
    record = LOSSES["arcface"]
    assert isinstance(record, LossRecord)
    with pytest.raises(ValueError, match=r"'arcface' is there twice; there are arcface"):
        LossTable({"arcface": record}).register("arcface")
    with pytest.raises(TypeError):
        LOSSES["other"] = record  # type: ignore[index]


def test_no_class_raises() -> None:
    with pytest.raises(ValueError, match="num_classes"):
        build_loss(trial("arcface"), num_classes=0)


def test_reading_a_configuration_does_not_import_pytorch_metric_learning() -> None:
    code = "import sys, trainer.config; sys.exit('pytorch_metric_learning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Proxy-Anchor's recipe."""

from typing import Final

from trainer.recipes.recipe import Recipe, Setting

__all__ = ["PROXY_ANCHOR"]

_TRAIN: Final = "`code/train.py`"
_NET: Final = "`code/net/resnet.py`"
_COMMANDS: Final = "the commands of the README"
# Of Inception-BN: there is no command for a ResNet-50 on these.
_INCEPTION: Final = f"{_COMMANDS}; on SOP and In-Shop that of Inception-BN"

PROXY_ANCHOR: Final = Recipe(
    name="proxy_anchor",
    paper="Kim et al., CVPR 2020, arXiv 2003.13911",
    code="https://github.com/tjddus9597/Proxy-Anchor-CVPR2020",
    published=("cub", "cars", "sop", "in_shop"),
    settings={
        "backbone": Setting(
            value="resnet50.tv_in1k", source=f"{_NET}: torchvision's ImageNet weights"
        ),
        "pretrained": Setting(value=True, source=_NET),
        "embedding_dim": Setting(value=512, source=_COMMANDS),
        "pooling": Setting(
            value="avg_max",
            cases={"vit": "default"},
            source=_NET,
            otherwise="a ViT has no map of features, and gives what it gives",
        ),
        "freeze_batch_norm": Setting(
            value=True,
            cases={"sop": False, "in_shop": False},
            source=_INCEPTION,
            otherwise="its weights and biases stay frozen; the code frees them after the warm-up",
        ),
        "loss": Setting(value="proxy_anchor", source="the method"),
        "proxy_anchor_margin": Setting(value=0.1, source=f"{_TRAIN}, default"),
        "proxy_anchor_alpha": Setting(value=32, source=f"{_TRAIN}, default"),
        "batch_size": Setting(
            value=150,
            cases={"cub": 120, "cars": 120, "sop": 180, "in_shop": 180},
            source=f"{_INCEPTION}; on others the default of {_TRAIN}",
        ),
        "samples_per_class": Setting(
            value=2,
            source=f"{_TRAIN}, default: images are drawn at random",
            otherwise="as few as TCM and our batches take",
        ),
        "augmentation": Setting(value="standard", source="`code/dataset/utils.py`"),
        "crop_scale_min": Setting(
            value=0.08, source="`code/dataset/utils.py`: RandomResizedCrop's default"
        ),
        "horizontal_flip": Setting(value=True, source="`code/dataset/utils.py`"),
        "epochs": Setting(value=60, source=f"{_TRAIN}, default"),
        "optimizer": Setting(value="adamw", source=f"{_TRAIN}, default"),
        "learning_rate": Setting(
            value=1e-4, cases={"sop": 6e-4, "in_shop": 6e-4}, source=_INCEPTION
        ),
        "trunk_learning_rate_factor": Setting(value=1, source=_TRAIN),
        "proxy_learning_rate_factor": Setting(value=100, source=_TRAIN),
        "weight_decay": Setting(
            value=1e-4,
            source=f"{_TRAIN}, default",
            otherwise="biases, norms and proxies do not decay here",
        ),
        "schedule": Setting(value="step", source=_TRAIN),
        "step_epochs": Setting(
            value=[10, 20, 30, 40, 50],
            cases={
                "cub": [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55],
                "sop": [20, 40],
                "in_shop": [20, 40],
            },
            source=f"{_INCEPTION}; on others the default of {_TRAIN}",
        ),
        "step_factor": Setting(
            value=0.5, cases={"sop": 0.25, "in_shop": 0.25}, source=f"{_INCEPTION}; default 0.5"
        ),
        "warmup_epochs": Setting(value=0, source=f"{_TRAIN}: there is none"),
        "head_warmup_epochs": Setting(
            value=1,
            cases={"cub": 5, "cars": 5},
            source=f"{_TRAIN}, default, and {_COMMANDS}: 1 for Inception-BN, 5 for a ResNet-50",
        ),
        "clip_value": Setting(value=10, source=_TRAIN),
    },
    notes=(
        "The head begins as torch's linear layer does, not by Kaiming's rule for outputs.",
        "iNaturalist and other data sets take the defaults of `code/train.py`.",
    ),
)

"""The recipe of Hyp-ViT's spherical variant, Sph-ViT."""

from typing import Final

from trainer.recipes.recipe import Recipe, Setting

__all__ = ["HYP_VIT"]

_TRAIN: Final = "`train.py`"
_CONFIGS: Final = "the configurations of the README"

HYP_VIT: Final = Recipe(
    name="hyp_vit",
    paper="Ermolov et al., CVPR 2022, arXiv 2203.10833",
    code="https://github.com/htdt/hyp_metric",
    published=("cub", "cars", "sop", "in_shop"),
    settings={
        "backbone": Setting(
            value="vit_small_patch16_224.augreg_in21k_ft_in1k",
            source=f"{_CONFIGS}: timm's weights of that time",
        ),
        "pretrained": Setting(value=True, source="`model.py`"),
        "embedding_dim": Setting(value=128, source=f"{_TRAIN}, default"),
        "freeze_patch_embedding": Setting(
            value=True,
            cases={"resnet": False},
            source=f"{_TRAIN}, default: `freeze` 0",
            otherwise="other trunks than a ViT may have none, and are not frozen",
        ),
        "loss": Setting(
            value="nt_xent",
            source=f"{_CONFIGS}: `hyp_c` 0 is the sphere",
            otherwise="all negatives of the batch, and a mean over pairs (`nt_xent_loss`)",
        ),
        "nt_xent_temperature": Setting(value=0.1, source=f"{_CONFIGS}: `t` 0.1 with the sphere"),
        "batch_size": Setting(
            value=900, cases={"cars": 882}, source=f"{_TRAIN}, default, and {_CONFIGS}"
        ),
        "samples_per_class": Setting(
            value=9,
            cases={"sop": 2, "in_shop": 2, "inaturalist": 2},
            source=f"{_CONFIGS}: 9 on CUB and Cars, else 2",
        ),
        "augmentation": Setting(value="standard", source=_TRAIN),
        "crop_scale_min": Setting(value=0.2, source=_TRAIN),
        "horizontal_flip": Setting(value=True, source=_TRAIN),
        "epochs": Setting(
            value=30,
            cases={"cub": 10, "cars": 10, "sop": 10, "in_shop": 10},
            source="none: ours where an epoch takes every image once",
            otherwise="where there are `steps`, the number of measurements",
        ),
        "steps": Setting(
            value=None,
            cases={"cub": 50, "cars": 300, "sop": 5000, "in_shop": 3200},
            source=f"{_CONFIGS}: epochs, times the batches that a visit to every class makes",
        ),
        "optimizer": Setting(value="adamw", source=_TRAIN),
        "learning_rate": Setting(
            value=3e-5, source=f"{_CONFIGS}; 1e-5 where the weights are DINO's"
        ),
        "trunk_learning_rate_factor": Setting(value=1, source=_TRAIN),
        "weight_decay": Setting(
            value=0.01, source=f"{_TRAIN}: AdamW's default", otherwise="biases and norms have none"
        ),
        "schedule": Setting(value="constant", source=_TRAIN),
        "warmup_epochs": Setting(value=0, source=f"{_TRAIN}: there is none"),
        "clip_norm": Setting(
            value=3,
            source=_TRAIN,
            otherwise="theirs is of a sum over n (n - 1) pairs of slots, n samples of a class; the "
            "gradient of our mean is so much smaller, and rarely clipped",
        ),
    },
    notes=(
        "Hyperbolic embeddings are not offered: distances and thresholds here are of the sphere.",
        "The head begins as torch's linear layer does, not orthogonal.",
        "Evaluation resizes to 224 px and crops nothing, on CUB to 256 px, then crops 224: "
        "`data.crop_share` 1, and 0.875.",
    ),
)

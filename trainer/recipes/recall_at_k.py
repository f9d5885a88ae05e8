"""The recipe of the Recall@k surrogate."""

from typing import Final

from trainer.recipes.recipe import Recipe, Setting

__all__ = ["RECALL_AT_K"]

_MAIN: Final = "`src/main.py`"
_NET: Final = "`src/netlib.py`"
_COMMAND: Final = "the command of the README"

RECALL_AT_K: Final = Recipe(
    name="recall_at_k",
    paper="Patel et al., CVPR 2022, arXiv 2108.11179",
    code="https://github.com/yash0307/RecallatK_surrogate",
    published=("cub", "cars", "sop", "inaturalist"),
    settings={
        "backbone": Setting(
            value="resnet50.tv_in1k",
            source=f"{_NET}: torchvision's ImageNet weights; the ViTs are timm's "
            "`vit_base_patch16_224.augreg_in21k` and `vit_base_patch32_224.augreg_in21k`",
        ),
        "pretrained": Setting(value=True, source=_NET),
        "embedding_dim": Setting(value=512, source=_COMMAND),
        "pooling": Setting(
            value="gem", cases={"vit": "default"}, source=f"{_NET}; a ViT gives its class token"
        ),
        "head_layer_norm": Setting(
            value=True, source=f"{_NET}, with torch's default: it has weights of its own"
        ),
        "freeze_batch_norm": Setting(
            value=True,
            source=f"{_NET}: BatchNorm stays in evaluation mode",
            otherwise="its weights and biases are frozen too, not its statistics alone",
        ),
        "loss": Setting(value="recall_at_k", source="the method"),
        "recall_at_k_temperature": Setting(value=0.01, source=f"{_MAIN}, default"),
        "recall_at_k_rank_temperature": Setting(
            value=1.0,
            source=f"{_MAIN}, default: k itself for each k",
            otherwise="one for every k here, that of k = 1",
        ),
        "recall_at_k_mixup": Setting(
            value=False,
            cases={"cub": True, "cars": True},
            source="the README: optional, and very useful for small data sets",
        ),
        "batch_size": Setting(
            value=400, cases={"cars": 392, "sop": 4000, "inaturalist": 4000}, source=_MAIN
        ),
        "samples_per_class": Setting(value=4, source=_COMMAND),
        "micro_batch_size": Setting(
            value=100,
            cases={
                "cars": 98,
                "sop": 200,
                "inaturalist": 200,
                "sop vit": 100,
                "inaturalist vit": 100,
            },
            source=f"{_MAIN}, `bs_base`; of the ViTs B/16, 200 for B/32 on SOP and iNaturalist",
        ),
        "augmentation": Setting(value="standard", source="`src/datasets.py`"),
        "crop_scale_min": Setting(
            value=0.08, source="`src/datasets.py`: RandomResizedCrop's default"
        ),
        "horizontal_flip": Setting(value=True, source="`src/datasets.py`"),
        "epochs": Setting(
            value=40,
            cases={"cars": 170, "cars vit": 50, "sop": 55, "inaturalist": 90},
            source=_MAIN,
        ),
        "evaluate_every": Setting(value=5, source=f"{_MAIN}, default"),
        "optimizer": Setting(value="adam", cases={"vit": "adamw"}, source=_MAIN),
        "learning_rate": Setting(
            value=1e-4,
            cases={"vit": 1e-5, "sop": 2e-4, "sop vit": 5e-5, "inaturalist vit": 5e-5},
            source=f"{_MAIN}; of the ViTs B/16, 3e-5 for B/32 on CUB and Cars",
        ),
        "trunk_learning_rate_factor": Setting(
            value=1, source="the command of the README: `fc_lr_mul` 0, one rate for all"
        ),
        "weight_decay": Setting(
            value=4e-4, source=f"{_MAIN}, default", otherwise="biases and norms do not decay here"
        ),
        "schedule": Setting(value="step", source=f"{_MAIN}, default"),
        "step_epochs": Setting(
            value=[10, 20, 30],
            cases={
                "cars": [80, 140],
                "cars vit": [20, 30, 40],
                "sop": [25, 50],
                "inaturalist": [40, 70],
                "inaturalist vit": [10, 40, 70],
            },
            source=_MAIN,
        ),
        "step_factor": Setting(value=0.3, source=f"{_MAIN}, default"),
        "warmup_epochs": Setting(value=0, source=f"{_MAIN}: there is none"),
    },
    notes=(
        "The authors normalise by ImageNet's mean and deviation, for the ViTs too; here as the "
        "trunk's own configuration says.",
        "Other data sets take the settings of CUB.",
    ),
)

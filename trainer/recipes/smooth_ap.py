"""Smooth-AP's recipe."""

from typing import Final

from trainer.recipes.recipe import Recipe, Setting

__all__ = ["SMOOTH_AP"]

_MAIN: Final = "default of `src/main.py`"
_COMMAND: Final = "the command of the README"

SMOOTH_AP: Final = Recipe(
    name="smooth_ap",
    paper="Brown et al., ECCV 2020, arXiv 2007.12163",
    code="https://github.com/Andrew-Brown1/Smooth_AP",
    published=("inaturalist",),
    settings={
        "backbone": Setting(
            value="resnet50.tv_in1k", source="`src/netlib.py`: torchvision's ImageNet weights"
        ),
        "pretrained": Setting(value=True, source="`src/netlib.py`"),
        "embedding_dim": Setting(value=512, source=_MAIN),
        "freeze_batch_norm": Setting(
            value=True,
            source="`src/netlib.py`: BatchNorm stays in evaluation mode",
            otherwise="its weights and biases are frozen too, not its statistics alone",
        ),
        "loss": Setting(value="smooth_ap", source="the method"),
        "smooth_ap_temperature": Setting(value=0.01, source=_MAIN),
        "batch_size": Setting(value=384, source=_COMMAND),
        "samples_per_class": Setting(value=4, source=_MAIN),
        "augmentation": Setting(value="standard", source="`src/datasets.py`"),
        "crop_scale_min": Setting(
            value=0.08, source="`src/datasets.py`: RandomResizedCrop's default"
        ),
        "horizontal_flip": Setting(value=True, source="`src/datasets.py`"),
        "epochs": Setting(value=400, cases={"inaturalist": 90}, source="`src/main.py`"),
        "optimizer": Setting(value="adam", source=_MAIN),
        "learning_rate": Setting(value=1e-5, source=_MAIN),
        "trunk_learning_rate_factor": Setting(
            value=1, source="the command of the README: `fc_lr_mul` 1"
        ),
        "weight_decay": Setting(
            value=4e-4, source=_MAIN, otherwise="biases and norms do not decay here"
        ),
        "schedule": Setting(value="step", source=_MAIN),
        "step_epochs": Setting(
            value=[200, 300], cases={"inaturalist": [40, 70]}, source="`src/main.py`"
        ),
        "step_factor": Setting(value=0.3, source=_MAIN),
        "warmup_epochs": Setting(value=0, source="`src/main.py`: there is none"),
    },
    notes=(
        "The code trains on iNaturalist and on VehicleID, whose epochs all other sets take here.",
        "A comment in `src/main.py` says that the best figures of the paper took SGD at a rate of "
        "0.05; its other settings are not said, so the code's are kept.",
    ),
)

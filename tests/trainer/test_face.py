"""The faces of the package: every name is there, and looking at a few costs no heavy import."""

import importlib
import subprocess
import sys

import pytest

LIGHT = "TrialConfig, DataConfig, SplitConfig, Split, TrialFailed, Measurement, StrictModel"


@pytest.mark.parametrize("package", ["trainer", "trainer.data", "trainer.losses"])
def test_every_name_is_there(package: str) -> None:
    face = importlib.import_module(package)
    assert face.__all__
    assert set(face.__all__) <= set(dir(face))
    assert all(getattr(face, name) is not None for name in face.__all__)
    with pytest.raises(AttributeError):
        face.no_such_name  # noqa: B018


def test_a_configuration_needs_no_heavy_library() -> None:
    code = f"""
import sys
from trainer import {LIGHT}
from trainer.losses import LOSSES
TrialConfig(loss="triplet_margin"), DataConfig(name="glyphs")
sys.exit(str({{"torch", "timm", "pytorch_metric_learning", "pyarrow", "PIL"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_a_process_that_trains_on_image_files_holds_no_matplotlib() -> None:
    code = "import sys, trainer.data.load, trainer.engine; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

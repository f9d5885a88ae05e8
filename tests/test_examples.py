"""The examples hold: each loads, suits its data, and passes a dry run on a miniature of them."""

from pathlib import Path
from typing import Any, Final

import pytest
import torch
import yaml

from sweeps import plan_sweep
from sweeps.cli import main
from sweeps.spec import Range, SweepSpec, load_spec
from tests.trainer.data.official import trees
from trainer import VALIDATION_SHARE
from trainer.data.official import OFFICIAL_SETS
from trainer.recipes import RECIPES

ROOT: Final = Path(__file__).parents[1]
EXAMPLES: Final = sorted((ROOT / "examples").glob("*.yaml"))
OFFICIAL: Final = [path for path in EXAMPLES if path.stem in OFFICIAL_SETS]
# The authors' own, of arXiv 2307.04047.
PAPER: Final = {
    "margin_positive": 0.9,
    "margin_negative": 0.5,
    "weight_positive": 1,
    "weight_negative": 1,
}

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
every_official_set = pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def miniature(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SweepSpec:
    """Return a spec over a tree of a few tiny images, with batches of eight."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    data = raw.get("data", {})
    if path in OFFICIAL:
        tree: trees.Tree = getattr(trees, path.stem)(folder)
        monkeypatch.setitem(OFFICIAL_SETS, tree.name, tree.record)
        data |= {"root": str(folder), "image_size": 32}
        data.pop("validation_share", None)
    elif "folder" in data:
        data |= {"folder": str(trees.cub(folder).root / "images"), "image_size": 32}
    if "workload" not in raw:
        raw["space"].pop("batch_size", None)
        raw["trial"] = raw.get("trial", {}) | {"batch_size": 8}
        if raw["trial"].get("backbone", "").startswith("vit_base"):
            raw["trial"]["backbone"] = "test_vit"  # a trunk of the same kind, and quick
    return SweepSpec.model_validate(raw | {"resources": {"cpu": torch.get_num_threads()}})


def test_there_is_one_for_each_official_set_and_job() -> None:
    assert {path.stem for path in OFFICIAL} == OFFICIAL_SETS.keys()
    assert {path.stem for path in EXAMPLES} > {"demo", "folder", "frozen"}


@every_example
def test_it_loads_and_has_controls(path: Path) -> None:
    spec = load_spec(path)
    assert spec.search_space().controls()
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40


@every_example
def test_a_dry_run_finds_out_all_of_a_miniature(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = miniature(path, tmp_path, monkeypatch)
    plan = plan_sweep(spec, cache=tmp_path / "cache")
    forecast = plan.forecast
    assert plan.trials == spec.budget.trials
    if spec.workload == "metric_learning":
        assert (forecast.missing, forecast.unknown) == (None, "")
        assert forecast.seconds is not None
        assert forecast.seconds > 0
        assert forecast.memory is not None
        assert forecast.data["train"]["images"] > forecast.data["validation"]["images"] > 0


@every_official_set
def test_it_has_a_recipe_that_was_published_for_the_set(path: Path) -> None:
    spec = load_spec(path)
    assert spec.recipe is not None
    assert spec.data.name in RECIPES[spec.recipe].published
    assert RECIPES[spec.recipe].settings.keys() <= spec.trial.keys() | spec.space.keys()
    assert spec.resources.gpu_share > 0


@every_official_set
def test_the_largest_batch_finds_its_classes(path: Path) -> None:
    spec = load_spec(path)
    space = spec.search_space()
    classes = OFFICIAL_SETS[spec.data.name].counts["train"].classes
    left = int(classes * (1 - (spec.data.validation_share or VALIDATION_SHARE)))
    assert max(space.values("batch_size")) // min(space.values("samples_per_class")) <= left


def test_the_largest_batches_go_through_the_model_in_parts() -> None:
    spec = load_spec(ROOT / "examples" / "sop.yaml")
    assert max(spec.search_space().values("batch_size")) == 4000
    assert spec.trial["micro_batch_size"] == 200


@every_official_set
@pytest.mark.parametrize("name", PAPER)
def test_the_defaults_of_the_paper_lie_inside(path: Path, name: str) -> None:
    sampled = load_spec(path).space[name]
    assert isinstance(sampled, Range)
    assert sampled.low < PAPER[name] < sampled.high


@every_official_set
def test_without_the_data_all_else_is_said_first(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    spec = tmp_path / path.name
    spec.write_bytes(path.read_bytes())
    root = tmp_path / yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["root"]
    with pytest.raises(SystemExit) as ended:
        main(["run", str(spec), "--dry-run"])
    shown = capsys.readouterr()
    assert ended.value.code == 2
    assert shown.err == f"error: data.root: {root} is not a folder\n"
    for said in ("a trial asks for a GPU, and this machine has none", "(control)", "weights"):
        assert said in shown.out

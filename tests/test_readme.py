"""The README is true: its spec is the demo's, its commands and links exist, its code runs."""

import dataclasses
import re
from pathlib import Path

import pytest
import typer.main
import yaml
from pydantic import BaseModel
from typer.core import TyperGroup

from objectives import Calibration
from sweeps.cli import app
from sweeps.spec import Budget, Resources, SweepSpec
from trainer import DataConfig, SplitConfig, TrialConfig

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_spec_is_that_of_the_demo_and_short() -> None:
    demo = (ROOT / "examples" / "demo.yaml").read_text()
    assert blocks("yaml")[0] == demo
    assert len(demo.splitlines()) <= 15


def test_the_other_data_sections_are_valid() -> None:
    spec = yaml.safe_load(blocks("yaml")[0])
    for line in blocks("yaml")[1].strip().splitlines():
        assert SweepSpec.model_validate(spec | yaml.safe_load(line))


def test_the_commands_exist() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    named = set(re.findall(r"`sweeps ([a-z]+)", README))
    assert named == group.commands.keys()


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    "model", [SweepSpec, DataConfig, SplitConfig, TrialConfig, Budget, Resources, Calibration]
)
def test_the_spec_reference_names_every_key(model: type[BaseModel | Calibration]) -> None:
    reference = (ROOT / "docs" / "spec.md").read_text()
    if issubclass(model, BaseModel):
        names = [*model.model_fields]
    else:
        names = [field.name for field in dataclasses.fields(model)]
    assert [name for name in names if not re.search(rf"\b{name}\b", reference)] == []


def test_the_spec_reference_has_the_defaults() -> None:
    reference = (ROOT / "docs" / "spec.md").read_text()
    for row in re.findall(r"^\| (`[a-z_`, ]+) \|.*\| (.*) \|$", reference, flags=re.MULTILINE):
        names, defaults = re.findall(r"`(\w+)`", row[0]), row[1].replace("`", "").split(", ")
        known = TrialConfig.model_fields
        fields = [known[name] for name in names if name in known]
        if len(fields) == len(names) == len(defaults) and names != ["seed"]:
            for field, text in zip(fields, defaults, strict=True):
                said = yaml.safe_load(text)
                assert field.default == (() if said == [] else said), names
